"""What must be true of the generator's accounts, told by its own transfers, and what the server says.

Everything is checked as it arrives, so that an hour of load takes no more memory than a minute.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from .shapes import (
    DIRECT,
    AccountTransfer,
    AccountUpdate,
    Event,
    FinalizedTransfer,
    PreparedTransfer,
    RejectedTransfer,
)

ROOT: Final = 0
"""The creditor id of the account that issues."""


class Transfer:
    """A transfer on its way; moments are seconds of a monotonic clock."""

    __slots__ = (
        "amount",
        "begun_at",
        "finalized_at",
        "is_direct",
        "lane",
        "parts_left",
        "recipient",
        "sender",
    )

    def __init__(
        self, sender: int, recipient: int, amount: int, kind: str, begun_at: float, lane: int = 0
    ) -> None:
        self.sender = sender
        self.recipient = recipient
        self.amount = amount
        self.begun_at = begun_at
        self.lane = lane
        self.finalized_at = 0.0
        self.is_direct = kind == DIRECT
        # FinalizedTransfer, and an AccountTransfer to each party, the root account excepted.
        self.parts_left = 3 if self.is_direct else 2


class Chain:
    """The AccountTransfers of one account, which form a chain without gaps, whatever their order."""

    __slots__ = ("_early", "last_number", "principal")

    def __init__(self, last_number: int, principal: int) -> None:
        self.last_number = last_number
        self.principal = principal
        self._early: dict[int, AccountTransfer] = {}

    def take(self, event: AccountTransfer) -> str:
        """What is wrong with the event; empty text if nothing is."""
        if event.transfer_number <= max(event.previous_transfer_number, self.last_number):
            return "an AccountTransfer comes twice, or its number falls"
        self._early[event.previous_transfer_number] = event
        while (following := self._early.pop(self.last_number, None)) is not None:
            self.last_number = following.transfer_number
            self.principal += following.acquired_amount
            if self.principal != following.principal:
                return "the principal of an AccountTransfer is not the previous one plus the amount"
        return ""

    @property
    def has_gap(self) -> bool:
        """Whether an AccountTransfer is missing."""
        return bool(self._early)


class Latencies:
    """How long the phases of transfers took, in seconds."""

    PHASES: Final = ("prepare", "finalize", "cycle", "AccountTransfers")

    def __init__(self) -> None:
        self.prepare = array("d")
        self.finalize = array("d")
        self.cycle = array("d")
        self.account_transfers = array("d")

    def percentiles(self) -> dict[str, dict[str, float]]:
        """Milliseconds by phase: p50, p95, p99 and the longest."""
        values = (self.prepare, self.finalize, self.cycle, self.account_transfers)
        return {phase: _percentiles(seconds) for phase, seconds in zip(self.PHASES, values, strict=True)}


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    ordered = sorted(seconds)
    last = len(ordered) - 1
    ranks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * ordered[round(rank * last)], 2) for name, rank in ranks.items()}


class Books:
    """The accounts of one debtor, as they should be."""

    def __init__(self) -> None:
        self.transfers: dict[int, Transfer] = {}
        self.principals: defaultdict[int, int] = defaultdict(int)
        self.updates: dict[int, AccountUpdate] = {}
        self.received: Counter[str] = Counter()
        self.complaints: Counter[str] = Counter()
        self.latencies = Latencies()
        self.ended: Counter[int] = Counter()
        """Finalized and rejected transfers, by lane."""

        self.completed = 0
        self.last_completed_at = 0.0
        self._chains: dict[int, Chain] = {}

    def open(self, creditor_ids: Iterable[int]) -> None:
        """Begin with the accounts as their last updates tell them."""
        for creditor_id in creditor_ids:
            update = self.updates[creditor_id]
            self.principals[creditor_id] = update.principal
            self._chains[creditor_id] = Chain(update.last_transfer_number, update.principal)

    def begin(self, number: int, transfer: Transfer) -> None:
        """Remember a transfer that is about to be prepared."""
        self.transfers[number] = transfer

    def take(self, event: Event, now: float) -> Transfer | None:
        """Check an event; returns the transfer that is to be finalized now, if any."""
        kind = type(event)
        self.received[kind.__name__] += 1
        if isinstance(event, PreparedTransfer):
            return self._take_prepared(event, now)
        if isinstance(event, AccountTransfer):
            self._take_account_transfer(event, now)
        elif isinstance(event, FinalizedTransfer):
            self._take_finalized(event, now)
        elif isinstance(event, AccountUpdate):
            self._take_update(event)
        elif isinstance(event, RejectedTransfer):
            transfer = self.transfers.get(event.coordinator_request_id)
            self.ended[0 if transfer is None else transfer.lane] += 1
            self.complain(f"RejectedTransfer: {event.status_code}")
        else:
            self.complain(f"RejectedConfig: {event.rejection_code}")
        return None

    def complain(self, complaint: str) -> None:
        """Remember that something is wrong."""
        self.complaints[complaint] += 1

    def verify(self, creditor_ids: Iterable[int]) -> None:
        """Compare the last updates of all accounts with what they must be."""
        total = 0
        for creditor_id in creditor_ids:
            update, chain = self.updates[creditor_id], self._chains[creditor_id]
            total += update.principal
            if update.principal != self.principals[creditor_id]:
                self.complain("an AccountUpdate tells another principal than the transfers make")
            if creditor_id != ROOT:
                if chain.has_gap or update.last_transfer_number != chain.last_number:
                    self.complain("an AccountTransfer is missing")
                if update.principal != chain.principal:
                    self.complain("the last AccountTransfer tells another principal than the AccountUpdate")
        if total != 0:
            self.complain(f"the principals add up to {total}")
        if self.transfers:
            self.complain(f"{len(self.transfers)} transfers have not come to their end")

    # -- events --------------------------------------------------------------------------------

    def _take_prepared(self, event: PreparedTransfer, now: float) -> Transfer | None:
        transfer = self.transfers.get(event.coordinator_request_id)
        if transfer is None or transfer.finalized_at:
            self.complain("a PreparedTransfer that nobody waits for")
            return None
        if event.locked_amount != transfer.amount:
            self.complain("a PreparedTransfer with another amount")
        self.latencies.prepare.append(now - transfer.begun_at)
        transfer.finalized_at = now
        return transfer

    def _take_finalized(self, event: FinalizedTransfer, now: float) -> None:
        number = event.coordinator_request_id
        transfer = self.transfers.get(number)
        if transfer is None:
            self.complain("a FinalizedTransfer that nobody waits for")
            return
        if event.status_code != "OK" or event.committed_amount != transfer.amount:
            self.complain(f"FinalizedTransfer: {event.status_code}, {event.committed_amount}")
        self.ended[transfer.lane] += 1
        self.principals[transfer.sender] -= event.committed_amount
        self.principals[transfer.recipient] += event.committed_amount
        self.latencies.finalize.append(now - transfer.finalized_at)
        self.latencies.cycle.append(now - transfer.begun_at)
        self._count_part(number, transfer, now)

    def _take_account_transfer(self, event: AccountTransfer, now: float) -> None:
        number = int(event.transfer_note)
        transfer = self.transfers.get(number)
        chain = self._chains.get(event.creditor_id)
        if transfer is None or chain is None:
            self.complain("an AccountTransfer that nobody waits for")
            return
        amount = transfer.amount if event.creditor_id == transfer.recipient else -transfer.amount
        if event.acquired_amount != amount:
            self.complain("an AccountTransfer with another amount")
        complaint = chain.take(event)
        if complaint:
            self.complain(complaint)
        self._count_part(number, transfer, now)

    def _take_update(self, event: AccountUpdate) -> None:
        known = self.updates.get(event.creditor_id)
        if known is None or _change(known) <= _change(event):
            self.updates[event.creditor_id] = event

    def _count_part(self, number: int, transfer: Transfer, now: float) -> None:
        transfer.parts_left -= 1
        if transfer.parts_left == 0:
            del self.transfers[number]
            self.completed += 1
            self.last_completed_at = now
            self.latencies.account_transfers.append(now - transfer.finalized_at)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of transfers has shown."""

    transfers: int
    seconds: float
    """From the first PrepareTransfer to the last AccountTransfer."""

    rate: float
    """Transfers per second."""

    latencies_ms: dict[str, dict[str, float]]
    cpu_percent: dict[str, float]
    """Of one core, by role."""

    completed_by_second: list[int]
    most_behind_ms: float
    """How late a transfer was begun at most, at a fixed rate."""


def _change(update: AccountUpdate) -> tuple[str, int]:
    # All texts of moments have the same form, but for their fractions: good enough to find the newest.
    return update.last_change_ts, update.last_change_seqnum
