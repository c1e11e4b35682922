"""Stores what a book has collected: accounts, transfers, journal, and the events as one outbox row."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Final

import msgspec
import psycopg2
from psycopg2.extras import Json

from swpt_accounts.events import Event, envelop
from swpt_accounts.rules.accounts import Account, update_due_at
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.facts import AccountKey, TransferKey, account_key
from swpt_accounts.storage.arrays import arrays
from swpt_accounts.storage.faults import BatchConflictError
from swpt_accounts.storage.outbox.rows import Stored, pack_accounts, pack_bodies
from swpt_accounts.storage.prepared import Statement
from swpt_accounts.wire.moments import T0, Moment, later_by
from swpt_accounts.wire.numbers import MAX_INT64, ROOT_CREDITOR_ID
from swpt_accounts.wire.routing import Realm

from . import columns
from . import writing as sql
from .debtor_infos import DebtorInfos
from .waiting import waiting_row

_astuple = msgspec.structs.astuple
_COLUMNS: Final = columns.ACCOUNT_COLUMNS
_INFO: Final = _COLUMNS.index("debtor_info_id")
_FIRST_BALANCE: Final = columns.FIRST_BALANCE_COLUMN
_BALANCE_COLUMNS: Final = [*_COLUMNS[:2], *_COLUMNS[_FIRST_BALANCE:]]


class _Pen:
    """Executes one statement after the other, and looks what came of one only when the next is ready.

    An eager connection so works on a statement while the parameters of the next are made.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._rows = 0
        self._otherwise: Exception | None = None

    def write(
        self,
        statement: Statement,
        parameters: Sequence[object],
        rows: int = 0,
        otherwise: Exception | None = None,
    ) -> None:
        """Execute a statement; if it does not touch so many rows, raise the error sooner or later."""
        statement.run(self.lift(), parameters)
        self._rows, self._otherwise = rows, otherwise

    def lift(self) -> Any:
        """The cursor, after a look at what came of the last statement."""
        otherwise, self._otherwise = self._otherwise, None
        if otherwise is not None and self._cursor.rowcount != self._rows:
            raise otherwise
        return self._cursor


def store(cursor: Any, book: Book, infos: DebtorInfos, publisher_key: int) -> Stored | None:
    """Write the results of a book; None if there is nothing to publish.

    Raises BatchConflictError if another worker created one of the accounts, or finalized one of the
    transfers first.
    """
    pen = _Pen(cursor)
    # First, because what follows from a transfer that is gone may be nonsense that no table takes.
    _remove_transfers(pen, book.removed_transfers)
    created, changed = book.created_accounts(), book.changed_accounts()
    # A purged account may be created again by a later step of the same batch.
    _purge_accounts(pen, book.purged_accounts)
    _store_root_configurations(pen, book)
    _create_accounts(pen, created, infos, book.policy.realm.owns)
    _update_accounts(pen, changed, infos)
    _store_transfers(pen, book)
    _store_updates_due(pen, created, changed, book)
    _store_credits(pen, book)
    if book.policy.realm.bits:
        _store_waiting(pen, book)
        _store_flows(pen, book)
        _store_settings_due(pen, created, changed, book.policy.realm)
    if book.entries:
        pen.write(sql.INSERT_ENTRIES, arrays(columns.JOURNAL_COLUMNS, map(_astuple, book.entries)))
    written = [*created, *(new for _, new in changed)]
    return _store_events(pen, book.events, book.now, publisher_key, written)


def _store_root_configurations(pen: _Pen, book: Book) -> None:
    for debtor_id in sorted(book.root_configurations):
        config_data = book.root_configurations[debtor_id]
        cursor = pen.lift()
        cursor.execute(sql.STORE_ROOT_CONFIGURATION, {"debtor_id": debtor_id, "config_data": config_data})
        cursor.execute(sql.REQUEST_PROPAGATION, {"debtor_id": debtor_id, "now": book.now})


def _row(pen: _Pen, account: Account, infos: DebtorInfos) -> list[Any]:
    """The account as a row of its table."""
    row = list(_astuple(account))
    row[_INFO] = infos.number(account.debtor_info, pen.lift)
    return row


def _create_accounts(
    pen: _Pen, created: Sequence[Account], infos: DebtorInfos, owns: Callable[[int, int], bool]
) -> None:
    if not created:
        return
    assert all(owns(*account_key(account)) for account in created), "accounts of other shards are theirs"
    rows = [_row(pen, account, infos) for account in created]
    conflict = BatchConflictError("another worker has created the account")
    pen.write(sql.INSERT_ACCOUNTS, arrays(_COLUMNS, rows), len(rows), conflict)


def _update_accounts(pen: _Pen, changed: Sequence[tuple[Account, Account]], infos: DebtorInfos) -> None:
    """Write the changed accounts, most of them only in the columns that transfers change."""
    balances, others = [], []
    for old, new in changed:
        before, after = _astuple(old), _astuple(new)
        if before[:_FIRST_BALANCE] == after[:_FIRST_BALANCE]:
            balances.append(after[:2] + after[_FIRST_BALANCE:])
        else:
            assert new.last_interest_rate_change_ts >= old.last_interest_rate_change_ts, account_key(new)
            assert new.created_at == old.created_at, account_key(new)
            others.append(_row(pen, new, infos))
        # What was announced of the old state stays true, and no number is given again (V8).
        assert new.last_change_ts >= old.last_change_ts, account_key(new)
        assert new.last_transfer_number >= old.last_transfer_number, account_key(new)
        assert new.last_transfer_id >= old.last_transfer_id, account_key(new)
    for statement, names, rows in (
        (sql.UPDATE_BALANCES, _BALANCE_COLUMNS, balances),
        (sql.UPDATE_ACCOUNTS, _COLUMNS, others),
    ):
        if rows:
            bug = AssertionError("locked accounts do not vanish")
            pen.write(statement, arrays(names, rows), len(rows), bug)


def _remove_transfers(pen: _Pen, keys: Sequence[TransferKey]) -> None:
    if keys:
        conflict = BatchConflictError("another worker has finalized the transfer")
        pen.write(
            sql.DELETE_TRANSFERS,
            arrays(columns.TRANSFER_KEY, keys),
            len(keys),
            conflict,
        )


def _store_transfers(pen: _Pen, book: Book) -> None:
    if book.new_transfers:
        rows = map(_astuple, book.new_transfers.values())
        pen.write(sql.INSERT_TRANSFERS, arrays(columns.TRANSFER_COLUMNS, rows))
    if book.reminded_transfers:
        reminders = [(*key, book.now) for key in book.reminded_transfers]
        pen.write(sql.REMIND_TRANSFERS, arrays([*columns.TRANSFER_KEY, "last_reminder_ts"], reminders))


def _purge_accounts(pen: _Pen, keys: Sequence[AccountKey]) -> None:
    if not keys:
        return
    parameters = arrays(columns.ACCOUNT_KEY, keys)
    for statement in (sql.PURGE_ACCOUNTS, sql.PURGE_UPDATES_DUE, sql.PURGE_ROOT_CONFIGURATIONS):
        pen.write(statement, parameters)


def _store_updates_due(
    pen: _Pen, created: Sequence[Account], changed: Sequence[tuple[Account, Account]], book: Book
) -> None:
    """Schedule the AccountUpdate of every account on which nothing was pending before."""
    due = [account for account in created if account.update_pending_since != T0]
    due += [new for old, new in changed if new.update_pending_since not in (T0, old.update_pending_since)]
    policy, now = book.policy, book.now
    rows = sorted((*account_key(a), update_due_at(a, policy, now)) for a in due)
    if rows:
        pen.write(sql.INSERT_UPDATES_DUE, arrays([*columns.ACCOUNT_KEY, "due_at"], rows))


def _store_credits(pen: _Pen, book: Book) -> None:
    if book.new_credits:
        rows = [(*key, *_astuple(credit)) for key, credit in book.new_credits.items()]
        pen.write(sql.INSERT_CREDITS, arrays(columns.CREDIT_COLUMNS, rows))


def _store_flows(pen: _Pen, book: Book) -> None:
    """Note what has left for other shards, and what has come from them (rule V3)."""
    emitted, applied = book.emitted_credits, book.applied_credits
    if emitted or applied:
        rows = [
            (*flow, out, come)
            for flow in sorted(emitted.keys() | applied.keys())
            for out, come in zip_longest(_pieces(emitted[flow]), _pieces(applied[flow]), fillvalue=0)
        ]
        pen.write(sql.INSERT_FLOWS, arrays(columns.FLOW_COLUMNS, rows))


def _pieces(total: int) -> list[int]:
    """A sum of amounts, which may be larger than any of them, as amounts."""
    most = MAX_INT64 if total > 0 else -MAX_INT64
    whole, rest = divmod(abs(total), MAX_INT64)
    return [most] * whole + [rest if total > 0 else -rest]


def _store_settings_due(
    pen: _Pen, created: Sequence[Account], changed: Sequence[tuple[Account, Account]], realm: Realm
) -> None:
    """Note the new and revived accounts whose settings come from another shard."""
    newcomers = [*created, *(new for old, new in changed if old.is_deleted and not new.is_deleted)]
    keys = [
        account_key(account) for account in newcomers if not realm.owns(account.debtor_id, ROOT_CREDITOR_ID)
    ]
    if keys:
        pen.write(sql.INSERT_SETTINGS_DUE, arrays(columns.ACCOUNT_KEY, sorted(keys)))


def _store_waiting(pen: _Pen, book: Book) -> None:
    if book.new_waiting:
        now = book.now
        later = later_by(now, book.policy.asking_time)
        rows = [(*waiting_row(request), now, later) for request in book.new_waiting.values()]
        names = [*columns.WAITING_COLUMNS, "waiting_since", "next_attempt_at"]
        conflict = BatchConflictError("another worker has taken the same request")
        pen.write(sql.INSERT_WAITING, arrays(names, rows), len(rows), conflict)


def _store_events(
    pen: _Pen, events: Sequence[Event], now: Moment, publisher_key: int, written: Sequence[Account]
) -> Stored | None:
    """Write the events of a step or a batch into one outbox row; None if there are none."""
    envelopes = [envelop(event) for event in events]
    if envelopes:
        row = [
            now,
            publisher_key,
            Json(Counter(envelope.type for envelope in envelopes)),
            psycopg2.Binary(pack_accounts(events)),
            psycopg2.Binary(pack_bodies([envelope.body for envelope in envelopes])),
        ]
        pen.write(sql.INSERT_OUTBOX, row)
    cursor = pen.lift()
    if not envelopes:
        return None
    outbox_id, version = cursor.fetchone()
    return Stored(outbox_id, envelopes, version, written)
