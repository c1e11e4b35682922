"""A store in memory: for tests, and for programs that need not remember.

One transaction at a time.  A transaction works on copies of the tables, which share their values.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any, Final

import msgspec

from swpt_client.core import Needs, Records, Result
from swpt_client.moments import Moment
from swpt_client.records import (
    Account,
    AccountKey,
    Bundle,
    BundleState,
    Entry,
    LedgerKey,
    RequestKey,
    StoredTransfer,
    Transfer,
    TransferState,
)

from .base import (
    Claim,
    DeadLetter,
    Due,
    LeftRow,
    LetterState,
    OutboxRow,
    Overtaken,
    Retention,
    StoreAway,
    latest_claim,
)
from .journal import Journal
from .packing import is_of_transfer, parcels_of
from .reading import records_of

_ENDED: Final = (TransferState.FINISHED, TransferState.CANCELLED, TransferState.PARKED)


class MemoryTransaction:
    """See base.Transaction.  It is its own session."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self._journal = Journal()
        self.after: list[Callable[[], None]] = []
        """What is to be done after the commit."""

    @property
    def session(self) -> "MemoryTransaction":
        """Itself."""
        return self

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What happens within it is undone by an exception."""
        mark = len(self._journal)
        try:
            yield
        except BaseException:
            self._journal.roll_back(mark)
            raise

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Change something so that it can be undone."""
        self._journal.put(table, key, value)

    def roll_back(self) -> None:
        """Undo everything."""
        self._journal.roll_back(0)

    def read(self, needs: Needs) -> Records:
        """Complete the keys, and read."""
        store = self._store
        return records_of(needs, store.requests, store.account_records, store.transfers, store.bundles)

    def read_stored(self, ledgers: Sequence[LedgerKey]) -> Mapping[AccountKey, Sequence[StoredTransfer]]:
        """All that is stored for these ledgers."""
        return {
            ledger.account: [one for (of, _), one in self._store.stored.items() if of == ledger]
            for ledger in ledgers
        }

    def write(
        self, records: Records, result: Result, now: Moment, claim: Claim | None = None
    ) -> OutboxRow | None:
        """Store what a fold has decided."""
        assert records.glimpsed.isdisjoint(result.accounts), "what is changed is locked"
        store, put = self._store, self._journal.put
        for bundle in result.bundles.values():
            put(store.bundles, bundle.key, bundle)
        for transfer in result.transfers.values():
            if store.requests.get(transfer.request_key, transfer.key) != transfer.key:
                raise Overtaken("a request id was used before")
            put(store.transfers, transfer.key, transfer)
            put(store.requests, transfer.request_key, transfer.key)
        for account in result.accounts.values():
            put(store.account_records, account.key, account)
        self._delete(result)
        for entry in result.entries:
            assert (entry.ledger, entry.number) not in store.ledger_entries
            put(store.ledger_entries, (entry.ledger, entry.number), entry)
        for ledger, number in result.unstored.items():
            for key in [key for key in store.stored if key[0] == ledger and key[1] <= number]:
                put(store.stored, key, None)
        for one in result.stored:
            key = _stored_key(one)
            if key not in store.stored:
                put(store.stored, key, one)
        if result.outgoing:
            row = OutboxRow(store.next_number(), parcels_of(result.outgoing))
            put(store.outbox, row.id, row)
            if claim is not None:
                put(store.claims, row.id, (claim.owner, claim.until))
                return row
        return None

    def hurry(self) -> None:
        """It is as quick as it can be."""

    def _delete(self, result: Result) -> None:
        store, put = self._store, self._journal.put
        for key in result.deleted_bundles:
            put(store.bundles, key, None)
        for key in result.deleted_transfers:
            transfer = store.transfers.get(key)
            if transfer is not None:
                put(store.requests, transfer.request_key, None)
                put(store.transfers, key, None)
        for account in result.deleted_accounts:
            put(store.account_records, account, None)
            for table in (store.ledger_entries, store.stored):
                for place in [place for place in table if place[0].account == account]:
                    put(table, place, None)

    def add_letters(self, letters: Sequence[DeadLetter], retention: Retention) -> None:
        """Keep what nobody could do anything with; without their bodies, if there are too many."""
        store = self._store
        for letter in letters:
            number = store.next_number()
            is_full = len(store.dead_letters) >= retention.open_letters_most
            body = b"" if is_full else letter.body
            self._journal.put(
                store.dead_letters, number, msgspec.structs.replace(letter, id=number, body=body)
            )

    def settle(self, done: Sequence[int], left: Sequence[LeftRow]) -> None:
        """Delete what is confirmed, and keep what is left for another try."""
        for number in done:
            self._journal.put(self._store.outbox, number, None)
        for row in left:
            if row.id in self._store.outbox:
                self._journal.put(self._store.outbox, row.id, OutboxRow(row.id, row.parcels))
                self._journal.put(self._store.claims, row.id, ("", row.retry_at))


def _stored_key(one: StoredTransfer) -> tuple[LedgerKey, int]:
    transfer = one.transfer
    account = AccountKey(transfer.debtor_id, transfer.creditor_id)
    return LedgerKey(account, transfer.creation_date), transfer.transfer_number


class MemoryStore:
    """Keeps everything of one client, as long as the process lives."""

    is_persistent = False

    def __init__(self) -> None:
        self._lock = RLock()
        self._number = 0
        self.claims: dict[int, tuple[str, Moment]] = {}
        self.is_away = False
        """Set it in tests: the store cannot be reached."""
        self.account_records: dict[AccountKey, Account] = {}
        self.transfers: dict[str, Transfer] = {}
        self.requests: dict[RequestKey, str] = {}
        self.bundles: dict[str, Bundle] = {}
        self.ledger_entries: dict[tuple[LedgerKey, int], Entry] = {}
        self.stored: dict[tuple[LedgerKey, int], StoredTransfer] = {}
        self.outbox: dict[int, OutboxRow] = {}
        self.dead_letters: dict[int, DeadLetter] = {}

    def next_number(self) -> int:
        """A number that no row had before."""
        self._number += 1
        return self._number

    def prepare(self) -> None:
        """There is nothing to prepare."""
        self._check()

    @contextmanager
    def begin(self) -> Iterator[MemoryTransaction]:
        """A transaction; an exception undoes it."""
        with self._lock:
            self._check()
            transaction = MemoryTransaction(self)
            try:
                yield transaction
                self._check()
            except BaseException:
                transaction.roll_back()
                raise
        for work in transaction.after:
            work()

    def after_commit(self, session: MemoryTransaction, work: Callable[[], None]) -> None:
        """Do something after the commit."""
        session.after.append(work)

    def join(self, session: MemoryTransaction) -> MemoryTransaction:
        """A transaction of this store is its own session."""
        return session

    def is_passing(self, error: BaseException) -> bool:
        """Whether it is a conflict, or the store is away."""
        return isinstance(error, StoreAway | Overtaken)

    def is_unfit(self, error: BaseException) -> bool:
        """It is always fit."""
        return False

    def _check(self) -> None:
        if self.is_away:
            raise StoreAway("the store is away")

    # --- the outbox -----------------------------------------------------------------------------

    def claim(self, owner: str, now: Moment, until: Moment, most: int) -> list[OutboxRow]:
        """The oldest rows that nobody claims, with about `most` messages in all."""
        with self._lock:
            self._check()
            chosen, latest = [], latest_claim(now, until)
            for number, row in sorted(self.outbox.items()):
                if most <= 0:
                    break
                if not now < self.claims.get(number, ("", 0))[1] <= latest:
                    self.claims[number] = owner, until
                    chosen.append(row)
                    most -= len(row.parcels)
            return chosen

    def renew(self, owner: str, until: Moment) -> None:
        """Claim for longer what is claimed."""
        with self._lock:
            self.claims = {
                number: (one, until if one == owner else at)
                for number, (one, at) in self.claims.items()
                if number in self.outbox
            }

    def release(self, owner: str) -> None:
        """Claim nothing any more."""
        with self._lock:
            self.claims = {number: claim for number, claim in self.claims.items() if claim[0] != owner}

    def count_outbox(self) -> int:
        """How many messages wait for their confirmation."""
        with self._lock:
            return sum(len(row.parcels) for row in self.outbox.values())

    def forget_outbox(self) -> int:
        """Drop the messages of transfers that wait for their confirmation; says how many."""
        dropped = 0
        with self.begin() as transaction:
            for row in list(self.outbox.values()):
                left = [one for one in row.parcels if not is_of_transfer(one.ref)]
                dropped += len(row.parcels) - len(left)
                transaction.put(self.outbox, row.id, OutboxRow(row.id, left) if left else None)
        return dropped

    # --- reading --------------------------------------------------------------------------------

    def due(self, now: Moment, most: int) -> Due:
        """What is due, at most so many of each kind."""
        with self._lock:
            self._check()

            def keys(table: Mapping[Any, Any]) -> list[Any]:
                due = [
                    (one.due_at, key)
                    for key, one in table.items()
                    if one.due_at is not None and one.due_at <= now
                ]
                return [key for _, key in sorted(due)[:most]]

            return Due(keys(self.account_records), keys(self.transfers), keys(self.bundles))

    def account(self, key: AccountKey, session: Any = None) -> Account | None:
        """The record of an account."""
        with self._lock:
            self._check()
            return self.account_records.get(key)

    def accounts(self, after: AccountKey | None, most: int) -> list[Account]:
        """The records of accounts, in the order of their keys."""
        with self._lock:
            self._check()
            keys = sorted(key for key in self.account_records if after is None or key > after)
            return [self.account_records[key] for key in keys[:most]]

    def transfer(self, key: str, session: Any = None) -> Transfer | None:
        """The record of a transfer."""
        with self._lock:
            self._check()
            return self.transfers.get(key)

    def bundle(self, key: str, session: Any = None) -> Bundle | None:
        """The record of a bundle."""
        with self._lock:
            self._check()
            return self.bundles.get(key)

    def entries(self, key: AccountKey, before: Entry | None, most: int) -> list[Entry]:
        """The entries of all ledgers of an account, the newest first."""
        with self._lock:
            self._check()
            limit = None if before is None else (before.ledger, before.number)
            places = sorted(
                (
                    place
                    for place in self.ledger_entries
                    if place[0].account == key and (limit is None or place < limit)
                ),
                reverse=True,
            )
            return [self.ledger_entries[place] for place in places[:most]]

    def parked_transfers(self, after: str, most: int) -> list[Transfer]:
        """Parked transfers, in the order of their keys."""
        with self._lock:
            found = [one for key, one in sorted(self.transfers.items()) if key > after]
            return [one for one in found if one.state is TransferState.PARKED][:most]

    def parked_bundles(self, after: str, most: int) -> list[Bundle]:
        """Parked bundles, and those that wait for a person, in the order of their keys."""
        with self._lock:
            found = [one for key, one in sorted(self.bundles.items()) if key > after]
            return [one for one in found if one.state is BundleState.PARKED or one.is_alarming][:most]

    def open_keys(self, kind: str, after: str, most: int) -> list[str]:
        """Keys of transfers or bundles that have not ended and are not parked."""
        with self._lock:
            if kind == "transfer":
                keys = [key for key, one in self.transfers.items() if one.state not in _ENDED]
            else:
                running = [one for one in self.bundles.values() if one.finished_at is None]
                keys = [one.key for one in running if one.state is not BundleState.PARKED]
            return sorted(key for key in keys if key > after)[:most]

    def letters(self, state: LetterState, after: int, most: int) -> list[DeadLetter]:
        """Dead letters, in the order of their ids."""
        with self._lock:
            found = [one for key, one in sorted(self.dead_letters.items()) if key > after]
            return [one for one in found if one.state is state][:most]

    # --- upkeep ---------------------------------------------------------------------------------

    def close_letter(
        self, number: int, state: LetterState, now: Moment, session: MemoryTransaction | None = None
    ) -> bool:
        """Say what has been done about a dead letter; False if it is neither open nor waiting."""
        with self._lock:
            letter = self.dead_letters.get(number)
            if letter is None or letter.state not in (LetterState.OPEN, LetterState.WAITING):
                return False
            closed_at = None if state is LetterState.WAITING else now
            closed = msgspec.structs.replace(letter, state=state, closed_at=closed_at)
            if session is not None:
                session.put(self.dead_letters, number, closed)
            else:
                self.dead_letters[number] = closed
            return True

    def clean(self, retention: Retention, now: Moment) -> int:
        """Delete what is kept too long."""
        with self._lock:
            letters = [
                key
                for key, one in self.dead_letters.items()
                if one.closed_at is not None and one.closed_at < now - retention.closed_letters
            ]
            entries = [
                place
                for place, one in self.ledger_entries.items()
                if retention.entries is not None and one.added_at < now - retention.entries
            ]
            for key in letters:
                del self.dead_letters[key]
            for place in entries:
                del self.ledger_entries[place]
            return len(letters) + len(entries)
