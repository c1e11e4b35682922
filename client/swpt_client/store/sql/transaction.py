"""One transaction on the tables: lock, read, write."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.orm import Session

from swpt_client.core import Needs, Records, Result, accounts_of, transfers_of
from swpt_client.moments import Moment
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
from swpt_client.store import packing
from swpt_client.store.base import (
    Claim,
    DeadLetter,
    LeftRow,
    LetterState,
    OutboxRow,
    Overtaken,
    Retention,
)

from . import caught, schema
from .statements import Row, Statements

_SEND: Final = schema.outbox.insert()
_REQUEST: Final = "coordinator_id, coordinator_request_id, coordinator_type"


def _request_rows(requests: set[RequestKey]) -> list[Row]:
    return [(one[1], one[2], one[0]) for one in requests]


class SqlTransaction:
    """See base.Transaction."""

    def __init__(self, session: Session, statements: Statements) -> None:
        self._session = session
        self._statements = statements

    @property
    def session(self) -> Session:
        """For handlers, and for rows of the application."""
        return self._session

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A nested transaction; it is undone by what goes wrong in it, also if somebody has caught that."""
        with self._session.begin_nested(), caught.uncaught_errors(self._connection):
            yield

    @property
    def _connection(self) -> Connection:
        return self._session.connection()

    # --- reading --------------------------------------------------------------------------------

    def read(self, needs: Needs) -> Records:
        """Complete the keys, and lock: transfers by themselves, bundles, legs, accounts, each by key.

        What only answers are about is found and locked by one statement.
        """
        requests = needs.requests
        transfers: dict[str, Transfer] = {}
        if not needs.transfers:
            transfers = self._asked(requests)
            requests = requests - {one.request_key for one in transfers.values()}
        known = self._known(requests, needs.transfers)
        transfers |= self._transfers({key for key, bundle_key in known if bundle_key is None})
        bundles = self._bundles(needs.bundles | {one for _, one in known if one is not None})
        legs = {key for key, bundle_key in known if bundle_key is not None}
        account_keys = set(needs.accounts)
        for bundle in bundles.values():
            legs |= transfers_of(bundle)
            account_keys |= accounts_of(bundle)
        transfers |= self._transfers(legs)
        accounts = self._accounts(account_keys)
        glimpsed = needs.glimpses - account_keys
        accounts |= self._accounts(glimpsed, lock=False)
        return Records(accounts, transfers, bundles, glimpsed=glimpsed)

    def _asked(self, requests: set[RequestKey]) -> dict[str, Transfer]:
        """The transfers of which these are the requests, locked, but for legs of bundles."""
        keys = _request_rows(requests)
        texts = self._texts(schema.transfer, _REQUEST, keys, only="t.bundle_key IS NULL")
        return {one.key: one for one in map(packing.read_transfer, texts)}

    def _known(self, requests: set[RequestKey], transfers: set[str]) -> list[tuple[str, str | None]]:
        """Which transfers are meant, and their bundles; these names of a transfer never change.

        A transfer that is added after this is as if it came later: who adds another one is Overtaken.
        """
        table, names = schema.transfer, "t.key, t.bundle_key"
        found: list[Any] = []
        if requests:
            rows = _request_rows(requests)
            found += self._statements.select(self._connection, table, names, _REQUEST, rows, lock=False)
        if transfers:
            keys = [(key,) for key in transfers]
            found += self._statements.select(self._connection, table, names, "key", keys, lock=False)
        return [(key, bundle_key) for key, bundle_key in found]

    def _texts(
        self, table: Any, columns: str, keys: Sequence[Row], *, lock: bool = True, only: str = ""
    ) -> Iterable[str]:
        if not keys:
            return
        rows = self._statements.select(
            self._connection, table, "t.record", columns, keys, lock=lock, only=only
        )
        for (record,) in rows:
            yield record

    def _bundles(self, keys: set[str]) -> dict[str, Bundle]:
        texts = self._texts(schema.bundle, "key", [(key,) for key in keys])
        return {one.key: one for one in map(packing.read_bundle, texts)}

    def _transfers(self, keys: set[str]) -> dict[str, Transfer]:
        texts = self._texts(schema.transfer, "key", [(key,) for key in keys])
        return {one.key: one for one in map(packing.read_transfer, texts)}

    def _accounts(self, keys: set[AccountKey], *, lock: bool = True) -> dict[AccountKey, Account]:
        texts = self._texts(schema.account, "debtor_id, creditor_id", list(keys), lock=lock)
        return {one.key: one for one in map(packing.read_account, texts)}

    def read_stored(self, ledgers: Sequence[LedgerKey]) -> Mapping[AccountKey, Sequence[StoredTransfer]]:
        """All that is stored for these ledgers."""
        found: dict[AccountKey, list[StoredTransfer]] = {ledger.account: [] for ledger in ledgers}
        rows = self._statements.select(
            self._connection,
            schema.stored_transfer,
            "t.debtor_id, t.creditor_id, t.record",
            "debtor_id, creditor_id, creation_date",
            [(*ledger.account, ledger.creation_date) for ledger in ledgers],
            lock=False,
        )
        for debtor_id, creditor_id, record in rows:
            found[AccountKey(debtor_id, creditor_id)].append(packing.read_stored(record))
        return found

    # --- writing --------------------------------------------------------------------------------

    def write(
        self, records: Records, result: Result, now: Moment, claim: Claim | None = None
    ) -> OutboxRow | None:
        """Store what a fold has decided."""
        assert records.glimpsed.isdisjoint(result.accounts), "what is changed is locked"
        connection, statements = self._connection, self._statements
        for table, known, changed, row_of in (
            (schema.bundle, records.bundles, result.bundles, _bundle_row),
            (schema.transfer, records.transfers, result.transfers, _transfer_row),
            (schema.account, records.accounts, result.accounts, _account_row),
        ):
            self._put(table, known, changed, row_of)
        for table, gone in (
            (schema.bundle, [(key,) for key in result.deleted_bundles]),
            (schema.transfer, [(key,) for key in result.deleted_transfers]),
            (schema.account, result.deleted_accounts),
            (schema.ledger_entry, result.deleted_accounts),
            (schema.stored_transfer, result.deleted_accounts),
        ):
            if gone:
                statements.delete(connection, table, gone)
        if result.entries:
            rows = [_entry_row(one) for one in result.entries]
            inserted = statements.insert(connection, schema.ledger_entry, rows)
            assert inserted == len(rows), "an entry of a ledger has one number, and one only"
        for ledger, number in result.unstored.items():
            table = schema.stored_transfer
            connection.execute(
                delete(table).where(
                    table.c.debtor_id == ledger.account.debtor_id,
                    table.c.creditor_id == ledger.account.creditor_id,
                    table.c.creation_date == ledger.creation_date,
                    table.c.transfer_number <= number,
                )
            )
        if result.stored:
            statements.insert(connection, schema.stored_transfer, [_stored_row(one) for one in result.stored])
        return self._send(packing.parcels_of(result.outgoing), claim) if result.outgoing else None

    def hurry(self) -> None:
        """The commit does not wait for the disk of the database."""
        self._statements.hurry(self._connection)

    def _put(self, table: Any, known: Mapping[Any, Any], changed: Mapping[Any, Any], row_of: Any) -> None:
        """Insert what is new, update what was read under the lock; both in the order of the keys."""
        new = [row_of(changed[key]) for key in sorted(changed.keys() - known.keys())]
        old = [row_of(changed[key]) for key in sorted(changed.keys() & known.keys())]
        if new and self._statements.insert(self._connection, table, new) != len(new):
            raise Overtaken(f"somebody else has added to {table.name}")
        if old:
            updated = self._statements.update(self._connection, table, old)
            assert updated == len(old), "what is locked is there"

    def _send(self, parcels: list[packing.Parcel], claim: Claim | None) -> OutboxRow | None:
        values = {"message_count": len(parcels), "messages": packing.pack(parcels)}
        if claim is not None:
            values |= {"owner": claim.owner, "claimed_until": claim.until}
        done = self._connection.execute(_SEND, values)
        if claim is None:
            return None
        key = done.inserted_primary_key
        assert key is not None, "a row that was inserted has a number"
        return OutboxRow(key[0], parcels)

    def settle(self, done: Sequence[int], left: Sequence[LeftRow]) -> None:
        """Delete what is confirmed, and keep what is left for another try."""
        table = schema.outbox
        if done:
            self._statements.delete(self._connection, table, [(one,) for one in done])
        for row in left:
            values = {
                "owner": "",
                "claimed_until": row.retry_at,
                "messages": packing.pack(row.parcels),
                "message_count": len(row.parcels),
            }
            self._connection.execute(update(table).where(table.c.id == row.id).values(values))

    def add_letters(self, letters: Sequence[DeadLetter], retention: Retention) -> None:
        """Keep what nobody could do anything with; without their bodies, if there are too many."""
        table = schema.dead_letter
        is_open = table.c.state == LetterState.OPEN
        waiting = select(table.c.id).where(is_open).limit(retention.open_letters_most).subquery()
        count = self._connection.execute(select(func.count()).select_from(waiting)).scalar_one()
        is_full = count >= retention.open_letters_most
        rows = [
            {
                "kind": str(one.kind),
                "reason": one.reason,
                "detail": one.detail.replace("\0", "\\0"),
                "body": b"" if is_full else one.body,
                "properties": json.dumps(one.properties),
                "state": str(one.state),
                "added_at": one.added_at,
            }
            for one in letters
        ]
        self._connection.execute(table.insert(), rows)


def _account_row(one: Account) -> Row:
    return (*one.key, str(one.configuration.state), one.due_at, packing.to_text(one))


def _transfer_row(one: Transfer) -> Row:
    return (
        one.key,
        *one.request_key,
        one.bundle_key,
        str(one.state),
        one.due_at,
        packing.to_text(one),
    )


def _bundle_row(one: Bundle) -> Row:
    return (one.key, str(one.state), one.due_at, packing.to_text(one))


def _entry_row(one: Entry) -> Row:
    ledger = one.ledger
    return (
        *ledger.account,
        ledger.creation_date,
        one.number,
        one.acquired_amount,
        one.principal,
        one.added_at,
        packing.to_text(one),
    )


def _stored_row(one: StoredTransfer) -> Row:
    transfer = one.transfer
    return (
        transfer.debtor_id,
        transfer.creditor_id,
        transfer.creation_date,
        transfer.transfer_number,
        one.arrived_at,
        packing.to_text(one),
    )
