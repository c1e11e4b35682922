"""Stores what a book has collected: accounts, transfers, journal, and the events as one outbox row."""

import zlib
from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from sys import byteorder
from typing import Any, Final

import msgspec
import psycopg2
from psycopg2.extras import Json

from . import statements as sql
from .accounts import Account, update_due_at
from .book import Book
from .debtor_infos import DebtorInfos
from .events import Envelope, Event, PendingBalanceChange, envelop
from .facts import AccountKey, TransferKey
from .faults import BatchConflictError
from .moments import T0, Moment
from .policy import Policy
from .statements import arrays

_astuple = msgspec.structs.astuple
_COLUMNS: Final = sql.ACCOUNT_COLUMNS
_INFO: Final = _COLUMNS.index("debtor_info_id")
_FIRST_BALANCE: Final = sql.FIRST_BALANCE_COLUMN
_BALANCE_COLUMNS: Final = [*_COLUMNS[:2], *_COLUMNS[_FIRST_BALANCE:]]

# Compression is worth its time because the row is written twice, to the log and to the table,
# while the events of a batch repeat each other: level 1 leaves less than a tenth of them.
_COMPRESSION_LEVEL: Final = 1

# By default each compression would begin with a fresh piece of memory of 268 kB, whose pages cost more
# than the work in them: 124 us for one event, 418 us for a hundred.  With these it is 9 us and 114 us,
# and what comes out is one hundredth longer.  Window and memory are powers of 2; zlib reads any.
_SMALL_BYTES: Final = 4096
_SMALL: Final = (12, 4)
_LARGE: Final = (15, 5)


class Stored(msgspec.Struct, frozen=True):
    """The events of a transaction, ready to be published once it is committed."""

    outbox_id: int
    envelopes: list[Envelope]

    version: int = 0
    """The id of the transaction, which marks the rows that it has written."""

    accounts: Sequence[Account] = ()
    """The accounts as the transaction has written them."""


def store(cursor: Any, book: Book, infos: DebtorInfos, publisher_key: int) -> Stored | None:
    """Write the results of a book; None if there is nothing to publish.

    Raises BatchConflictError if another worker created one of the accounts, or finalized one of the
    transfers first.
    """
    created, changed = book.created_accounts(), book.changed_accounts()
    # First, because what follows from a transfer that is gone may be nonsense that no table takes.
    _remove_transfers(cursor, book.removed_transfers)
    # A purged account may be created again by a later step of the same batch.
    _purge_accounts(cursor, book.purged_accounts)
    _store_root_configurations(cursor, book)
    _create_accounts(cursor, created, infos)
    _update_accounts(cursor, changed, infos)
    _store_transfers(cursor, book)
    _store_updates_due(cursor, created, changed, book.policy)
    if book.new_credits:
        rows = [(*key, *_astuple(credit)) for key, credit in book.new_credits.items()]
        columns = "debtor_id other_creditor_id change_id creditor_id principal_delta committed_at"
        sql.INSERT_CREDITS.run(cursor, arrays(columns.split(), rows))
    if book.entries:
        sql.INSERT_ENTRIES.run(cursor, arrays(sql.JOURNAL_COLUMNS, map(_astuple, book.entries)))
    written = [*created, *(new for _, new in changed)]
    return store_events(cursor, book.events, book.now, publisher_key, written)


def _store_root_configurations(cursor: Any, book: Book) -> None:
    for debtor_id in sorted(book.root_configurations):
        config_data = book.root_configurations[debtor_id]
        cursor.execute(sql.STORE_ROOT_CONFIGURATION, {"debtor_id": debtor_id, "config_data": config_data})
        cursor.execute(sql.REQUEST_PROPAGATION, {"debtor_id": debtor_id, "now": book.now})


def _row(cursor: Any, account: Account, infos: DebtorInfos) -> list[Any]:
    """The account as a row of its table."""
    row = list(_astuple(account))
    row[_INFO] = infos.number(cursor, account.debtor_info)
    return row


def _create_accounts(cursor: Any, created: Sequence[Account], infos: DebtorInfos) -> None:
    if not created:
        return
    rows = [_row(cursor, account, infos) for account in created]
    sql.INSERT_ACCOUNTS.run(cursor, arrays(_COLUMNS, rows))
    if cursor.rowcount != len(rows):
        raise BatchConflictError("another worker has created the account")


def _update_accounts(cursor: Any, changed: Sequence[tuple[Account, Account]], infos: DebtorInfos) -> None:
    """Write the changed accounts, most of them only in the columns that transfers change."""
    balances, others = [], []
    for old, new in changed:
        before, after = _astuple(old), _astuple(new)
        if before[:_FIRST_BALANCE] == after[:_FIRST_BALANCE]:
            balances.append(after[:2] + after[_FIRST_BALANCE:])
        else:
            others.append(_row(cursor, new, infos))
    for statement, columns, rows in (
        (sql.UPDATE_BALANCES, _BALANCE_COLUMNS, balances),
        (sql.UPDATE_ACCOUNTS, _COLUMNS, others),
    ):
        if rows:
            statement.run(cursor, arrays(columns, rows))
            assert cursor.rowcount == len(rows), "locked accounts do not vanish"


def _remove_transfers(cursor: Any, keys: Sequence[TransferKey]) -> None:
    if not keys:
        return
    sql.DELETE_TRANSFERS.run(cursor, arrays(("debtor_id", "creditor_id", "transfer_id"), keys))
    if cursor.rowcount != len(keys):
        raise BatchConflictError("another worker has finalized the transfer")


def _store_transfers(cursor: Any, book: Book) -> None:
    if book.new_transfers:
        rows = map(_astuple, book.new_transfers.values())
        sql.INSERT_TRANSFERS.run(cursor, arrays(sql.TRANSFER_COLUMNS, rows))
    if book.reminded_transfers:
        reminders = [(*key, book.now) for key in book.reminded_transfers]
        columns = ("debtor_id", "creditor_id", "transfer_id", "last_reminder_ts")
        sql.REMIND_TRANSFERS.run(cursor, arrays(columns, reminders))


def _purge_accounts(cursor: Any, keys: Sequence[AccountKey]) -> None:
    if not keys:
        return
    parameters = arrays(("debtor_id", "creditor_id"), keys)
    for statement in (sql.PURGE_ACCOUNTS, sql.PURGE_UPDATES_DUE, sql.PURGE_ROOT_CONFIGURATIONS):
        statement.run(cursor, parameters)


def _store_updates_due(
    cursor: Any, created: Sequence[Account], changed: Sequence[tuple[Account, Account]], policy: Policy
) -> None:
    """Schedule the AccountUpdate of every account on which nothing was pending before."""
    due = [account for account in created if account.update_pending_since != T0]
    due += [new for old, new in changed if new.update_pending_since not in (T0, old.update_pending_since)]
    rows = sorted((a.debtor_id, a.creditor_id, update_due_at(a, policy)) for a in due)
    if rows:
        sql.INSERT_UPDATES_DUE.run(cursor, arrays(("debtor_id", "creditor_id", "due_at"), rows))


def store_events(
    cursor: Any,
    events: Sequence[Event],
    now: Moment,
    publisher_key: int,
    written: Sequence[Account] = (),
) -> Stored | None:
    """Write the events of a step or a batch into one outbox row; None if there are none.

    `written` are the accounts that the transaction has written before.
    """
    if not events:
        return None
    envelopes = [envelop(event) for event in events]
    sql.INSERT_OUTBOX.run(
        cursor,
        [
            now,
            publisher_key,
            Json(Counter(envelope.type for envelope in envelopes)),
            psycopg2.Binary(pack_accounts(events)),
            psycopg2.Binary(pack_bodies([envelope.body for envelope in envelopes])),
        ],
    )
    outbox_id, version = cursor.fetchone()
    return Stored(outbox_id, envelopes, version, written)


def pack_bodies(bodies: Sequence[bytes]) -> bytes:
    """Encoded events as compressed lines; JSON on one line holds no line break."""
    lines = b"\n".join(bodies)
    window, memory = _SMALL if len(lines) <= _SMALL_BYTES else _LARGE
    compressor = zlib.compressobj(_COMPRESSION_LEVEL, zlib.DEFLATED, window, memory)
    return compressor.compress(lines) + compressor.flush()


def pack_accounts(events: Sequence[Event]) -> bytes:
    """The accounts that the events belong to, as pairs of big-endian int64 (wire.md section 10.2)."""
    keys = {
        (e.debtor_id, e.creditor_id if type(e) is not PendingBalanceChange else e.other_creditor_id)
        for e in events
    }
    numbers = array("q", chain.from_iterable(sorted(keys)))
    if byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()
