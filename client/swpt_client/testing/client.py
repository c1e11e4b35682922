"""A client in memory, driven step by step in one thread, so that a seed repeats what it did.

It is what an agent is, without threads: it folds inputs into records, keeps records and outbox in
one transaction, acknowledges after the commit, and may die at each named step (see `crashes`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from random import Random

import msgspec

from swpt_client import core
from swpt_client.desk import Answer
from swpt_client.inputs import Call, Due, Input, PersonCall, Sent
from swpt_client.messages import CONTENT_TYPE, Envelope, Undecodable, address, decode
from swpt_client.news import News
from swpt_client.policy import Policy
from swpt_client.records import (
    Account,
    AccountKey,
    Bundle,
    Entry,
    LedgerKey,
    RequestKey,
    StoredTransfer,
    Transfer,
)
from swpt_client.step import Outgoing
from swpt_client.store.reading import records_of

from .clock import Clock
from .network import Way

MOST_EVENTS = 500
"""In one transaction."""


class Memory(msgspec.Struct):
    """What a client keeps; a copy of it is a backup."""

    accounts: dict[AccountKey, Account] = {}
    transfers: dict[str, Transfer] = {}
    requests: dict[RequestKey, str] = {}
    bundles: dict[str, Bundle] = {}
    stored: dict[tuple[LedgerKey, int], StoredTransfer] = {}
    entries: list[Entry] = []
    outbox: list[Outgoing] = []

    def backup(self) -> "Memory":
        """All of it, as it is now; records are frozen."""
        return Memory(
            dict(self.accounts),
            dict(self.transfers),
            dict(self.requests),
            dict(self.bundles),
            dict(self.stored),
            list(self.entries),
            list(self.outbox),
        )


class MemoryClient:
    """Records, outbox and news, all at hand."""

    def __init__(
        self,
        policy: Policy,
        clock: Clock,
        dice: Random,
        *,
        crash_at: Callable[[str], None] = lambda _step: None,
        on_commit: Callable[[core.Result], None] = lambda _result: None,
    ) -> None:
        self.policy = policy
        self.clock = clock
        self.memory = Memory()
        self.ignored: Counter[str] = Counter()
        self.undecodable: list[Undecodable] = []
        self._dice = dice
        self._crash_at = crash_at
        self._on_commit = on_commit
        self._news: list[News] = []

    # --- what an agent does -----------------------------------------------------------------------

    def call(self, one: Call | PersonCall) -> Answer:
        """Fold one call in a transaction of its own."""
        return self.feed([one]).answers[0]

    def receive(self, way: Way[tuple[bytes, str]], most: int = MOST_EVENTS) -> int:
        """Fold messages that have arrived, and acknowledge them; says how many."""
        taken = way.take(min(most, MOST_EVENTS))
        if taken:
            self.feed(self._decoded(body for _, body in taken))
            way.ack([tag for tag, _ in taken])
        return len(taken)

    def tick(self) -> int:
        """Look at what is due; says how much was."""
        due = self._due()
        for place in range(0, len(due), MOST_EVENTS):
            self.feed(due[place : place + MOST_EVENTS])
        return len(due)

    def send(self, put: Callable[[Sequence[Envelope]], None]) -> None:
        """Publish what waits in the outbox, and report what the broker has confirmed."""
        claimed = list(self.memory.outbox)
        if not claimed:
            return
        self._crash_at("claimed")
        put([address(one.message) for one in claimed])
        self._crash_at("published")
        reports = [Sent(ref=one.ref, at=self.clock.now) for one in claimed if one.ref is not None]
        self.feed(reports, len(claimed))

    def hear(self) -> list[News]:
        """The news since the last time."""
        news, self._news = self._news, []
        return news

    # --- one transaction --------------------------------------------------------------------------

    def feed(self, inputs: Sequence[Input], confirmed: int = 0) -> core.Result:
        """Fold inputs in one transaction, in which the first rows of the outbox go."""
        self._crash_at("before_fold")
        result = core.fold(
            inputs, self._read(inputs), self.clock.now, self._dice.getrandbits(64), self.policy
        )
        self._crash_at("before_commit")
        del self.memory.outbox[:confirmed]
        self._write(result)
        self._on_commit(result)
        self._news += result.news
        self.ignored.update(result.ignored)
        self._crash_at("after_commit")
        return result

    def _decoded(self, bodies: Iterable[tuple[bytes, str]]) -> list[Input]:
        inputs: list[Input] = []
        for body, kind in bodies:
            message = decode(body, CONTENT_TYPE, kind)
            if isinstance(message, Undecodable):
                self.undecodable.append(message)
            else:
                inputs.append(message)
        return inputs

    def _due(self) -> list[Due]:
        now, memory = self.clock.now, self.memory
        return [
            Due(kind=kind, key=key)
            for kind, records in (
                ("bundle", memory.bundles),
                ("transfer", memory.transfers),
                ("account", memory.accounts),
            )
            for key, one in records.items()
            if one.due_at is not None and one.due_at <= now
        ]

    def due_at(self) -> int | None:
        """When the next record wants to be looked at."""
        memory = self.memory
        dates = [
            one.due_at
            for records in (memory.accounts, memory.transfers, memory.bundles)
            for one in records.values()
            if one.due_at is not None
        ]
        return min(dates, default=None)

    def _read(self, inputs: Sequence[Input]) -> core.Records:
        memory = self.memory
        needs = core.needs(inputs)
        records = records_of(needs, memory.requests, memory.accounts, memory.transfers, memory.bundles)
        wanted = core.needs_stored(inputs, records, self.clock.now)
        if not wanted:
            return records
        return msgspec.structs.replace(records, stored={key: self._stored_of(key) for key in wanted})

    def _stored_of(self, key: AccountKey) -> list[StoredTransfer]:
        ledger = self.memory.accounts[key].ledger
        assert ledger is not None, "only what waits in a ledger is asked for"
        wanted = LedgerKey(key, ledger.creation_date)
        return [one for (of, _), one in self.memory.stored.items() if of == wanted]

    def _write(self, result: core.Result) -> None:
        memory = self.memory
        memory.accounts.update(result.accounts)
        memory.bundles.update(result.bundles)
        for transfer in result.transfers.values():
            known = memory.requests.setdefault(transfer.request_key, transfer.key)
            assert known == transfer.key, "a request id is used once"
            memory.transfers[transfer.key] = transfer
        for account in result.deleted_accounts:
            del memory.accounts[account]
        for bundle in result.deleted_bundles:
            del memory.bundles[bundle]
        for key in result.deleted_transfers:
            del memory.requests[memory.transfers.pop(key).request_key]
        for ledger, last in result.unstored.items():
            for place in [place for place in memory.stored if place[0] == ledger and place[1] <= last]:
                del memory.stored[place]
        for one in result.stored:
            message = one.transfer
            ledger = LedgerKey(AccountKey(message.debtor_id, message.creditor_id), message.creation_date)
            memory.stored.setdefault((ledger, message.transfer_number), one)
        memory.entries += result.entries
        memory.outbox += result.outgoing
