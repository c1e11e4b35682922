"""The records of one fold while it runs, and what has been decided so far."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from . import account, bundle, configuration, ledger, pace, transfer
from .inputs import Ref, Refusal
from .ledger import Assembly
from .limits import MAX_INT64
from .messages import TransferMessage
from .moments import Moment
from .news import EntriesAppended, News
from .policy import Policy
from .records import (
    Account,
    AccountKey,
    Bundle,
    ConfigurationState,
    Entry,
    Ledger,
    LedgerKey,
    StoredTransfer,
    Transfer,
)
from .step import Outgoing

Answer: TypeAlias = Account | Transfer | Bundle | Refusal | None
"""What a call gets, as it is at the end of the fold; None for all other inputs."""

_Request: TypeAlias = tuple[str, int, int]
"""A RequestKey, but made in a tenth of its time."""

EFFECTUAL: Final = ConfigurationState.EFFECTUAL
_RANDOM_BITS = 21
_RANDOM_MASK = (1 << _RANDOM_BITS) - 1
_64_BITS = 0xFFFFFFFFFFFFFFFF
_GOLDEN = 0x9E3779B97F4A7C15
_GOLDEN_SECTION = 0.6180339887498949


class Records(msgspec.Struct, frozen=True):
    """What was read under the lock.  A key without a record is simply not there."""

    accounts: Mapping[AccountKey, Account] = {}
    transfers: Mapping[str, Transfer] = {}
    bundles: Mapping[str, Bundle] = {}
    stored: Mapping[AccountKey, Sequence[StoredTransfer]] = {}
    """Only for the accounts of `needs_stored`."""
    glimpsed: AbstractSet[AccountKey] = frozenset()
    """The accounts that are not locked; a fold does not change them."""


class Result(msgspec.Struct):
    """What a fold has decided."""

    answers: list[Answer] = []
    """One for each input."""
    foreign: list[int] = []
    """Indexes of messages that are not ours; they belong to the dead letters."""
    accounts: dict[AccountKey, Account] = {}
    transfers: dict[str, Transfer] = {}
    bundles: dict[str, Bundle] = {}
    """New and changed records."""
    deleted_accounts: list[AccountKey] = []
    """With all their ledgers."""
    deleted_transfers: list[str] = []
    deleted_bundles: list[str] = []
    entries: list[Entry] = []
    unstored: dict[LedgerKey, int] = {}
    """Stored transfers of the ledger with numbers up to this one are not needed any more."""
    stored: list[StoredTransfer] = []
    """To be inserted where they are not there yet, after `unstored` was deleted."""
    outgoing: list[Outgoing] = []
    news: list[News] = []
    ignored: dict[str, int] = {}
    """How often each row of the tables that ignores something was taken; for metrics."""


def _request_of(record: Transfer) -> _Request:
    request = record.request
    return request.coordinator_type, request.coordinator_id, record.coordinator_request_id


def _mixed(chance: int) -> int:
    """64 bits that differ in half of their places, however little the chances of two folds differ."""
    mixed = (chance + _GOLDEN) & _64_BITS
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return mixed ^ (mixed >> 31)


class Desk:
    """Where the records lie while a batch is folded; what is changed covers what was read."""

    def __init__(self, records: Records, now: Moment, chance: int, policy: Policy) -> None:
        self.records = records
        self.now = now
        self.policy = policy
        self.timers = policy.timers
        self.result = Result()
        self.accounts: dict[AccountKey, Account | None] = {}
        self.transfers: dict[str, Transfer | None] = {}
        self.bundles: dict[str, Bundle | None] = {}
        self.assemblies: dict[AccountKey, Assembly] = {}
        self.touched_bundles: dict[str, None] = {}
        self._chance = _mixed(chance)
        self._start = self._chance / 2.0**64
        self._jitter = policy.timers.jitter
        self._first_request_id = (max(0, now) // 1000 << _RANDOM_BITS) & MAX_INT64
        self._request_count = 0
        self._requests: dict[_Request, str] | None = None

    # --- reading ------------------------------------------------------------------------------

    def account(self, key: AccountKey) -> Account | None:
        """The record as it is now."""
        return self.accounts[key] if key in self.accounts else self.records.accounts.get(key)

    def transfer(self, key: str) -> Transfer | None:
        """The record as it is now."""
        return self.transfers[key] if key in self.transfers else self.records.transfers.get(key)

    def bundle(self, key: str) -> Bundle | None:
        """The record as it is now."""
        return self.bundles[key] if key in self.bundles else self.records.bundles.get(key)

    def requested(self, answer: TransferMessage) -> Transfer | None:
        """The transfer that an answer of the server is about."""
        if self._requests is None:
            known = {**self.records.transfers, **self.transfers}
            self._requests = {_request_of(one): one.key for one in known.values() if one is not None}
        name = self._requests.get(
            (answer.coordinator_type, answer.coordinator_id, answer.coordinator_request_id)
        )
        return None if name is None else self.transfer(name)

    def assembly(self, record: Account) -> Assembly | None:
        """The latest ledger of an account, opened."""
        key = record.key
        found = self.assemblies.get(key)
        if found is None and record.ledger is not None:
            found = ledger.opened(key, record.ledger, self.records.stored.get(key))
            self.assemblies[key] = found
        return found

    def next_request_id(self) -> int:
        """Milliseconds since 1970, and 21 random bits: nothing that a restored backup would repeat.

        Those of one fold differ for certain.
        """
        bits = (self._chance + self._request_count) & _RANDOM_MASK
        self._request_count += 1
        return self._first_request_id | bits

    # --- changing -----------------------------------------------------------------------------

    def put_transfer(self, record: Transfer) -> None:
        """Remember a new or changed transfer."""
        key = record.key
        if self._requests is not None and key not in self.transfers and key not in self.records.transfers:
            self._requests[_request_of(record)] = key
        self.transfers[key] = record
        if record.bundle_key is not None:
            self.touched_bundles[record.bundle_key] = None

    def touch_transfer(self, key: str) -> None:
        """Say anew when a transfer is due, although nothing of it has changed."""
        record = self.transfer(key)
        if record is not None:
            self.transfers[key] = record

    def ignore(self, row: str) -> None:
        """Count that a row ignored an input."""
        ignored = self.result.ignored
        ignored[row] = ignored.get(row, 0) + 1

    def end_ledger(self, assembly: Assembly) -> None:
        """A ledger is followed by another one; what has been done to it is kept."""
        result = self.result
        if assembly.entries:
            result.entries += assembly.entries
            result.news.append(EntriesAppended(ledger=assembly.key, entries=tuple(assembly.entries)))
        if assembly.unstored:
            result.unstored[assembly.key] = assembly.unstored
        result.stored += assembly.new_stored.values()

    # --- the end ------------------------------------------------------------------------------

    def file(self) -> None:
        """Close the ledgers, say when each changed record is due, and hand all over."""
        for key, assembly in self.assemblies.items():
            self.end_ledger(assembly)
            record = self.account(key)
            if record is not None:
                self._put_ledger(record, ledger.closed(assembly))
        self._file_accounts()
        self._file_transfers()
        for name, one in self.bundles.items():
            if one is None:
                self.result.deleted_bundles.append(name)
                continue
            scheduled = bundle.schedule(one, self.timers, self.now)
            if scheduled is not self.records.bundles.get(name):
                self.result.bundles[name] = scheduled

    def _put_ledger(self, record: Account, closed: Ledger) -> None:
        if closed != record.ledger:
            self.accounts[record.key] = replace(record, ledger=closed)

    def _file_accounts(self) -> None:
        known = self.records.accounts
        for number, (key, record) in enumerate(self.accounts.items(), 1):
            before = known.get(key)
            if record is None:
                self.result.deleted_accounts.append(key)
                continue
            self._send_configuration(before, record)
            scheduled = self._schedule_account(record, self._stretch(number))
            if scheduled is not before:
                self.result.accounts[key] = scheduled

    def _send_configuration(self, before: Account | None, record: Account) -> None:
        wanted = record.configuration
        if before is not None and before.configuration is wanted:
            return
        copies = 0 if before is None else before.configuration.pace.copies
        if wanted.pace.copies > copies:
            ref = Ref("account", record.key, wanted.pace.copies)
            self.result.outgoing.append(Outgoing(configuration.message_of(record.key, wanted), ref))

    def _schedule_account(self, record: Account, stretch: float) -> Account:
        if record.configuration.state is EFFECTUAL:
            due_at = account.silent_at(record, self.timers.silence)
        else:
            due_at = configuration.due_at(record.configuration, self.timers, stretch)
        of_ledger = ledger.due_at(record.ledger, record.data, self.timers)
        if of_ledger is not None:
            due_at = pace.earliest(due_at, of_ledger)
        return record if due_at == record.due_at else replace(record, due_at=due_at)

    def _file_transfers(self) -> None:
        timers, known, changed = self.timers, self.records.transfers, self.result.transfers
        for number, (name, record) in enumerate(self.transfers.items(), 1):
            if record is None:
                self.result.deleted_transfers.append(name)
                continue
            scheduled = transfer.schedule(record, timers, self._stretch(number))
            if scheduled.finished_at is not None and self._is_leg(scheduled):
                scheduled = replace(scheduled, due_at=None)
            if scheduled is not known.get(name):
                changed[name] = scheduled

    def _is_leg(self, record: Transfer) -> bool:
        """Whether a transfer stands for a leg of a bundle, and is kept as long as that."""
        one = None if record.bundle_key is None else self.bundle(record.bundle_key)
        return one is not None and record.key in bundle.transfers_of(one)

    def _stretch(self, number: int) -> float:
        """Between 1 and 1 + jitter; the golden section spreads the records of a fold evenly."""
        return 1.0 + self._jitter * ((self._start + number * _GOLDEN_SECTION) % 1.0)
