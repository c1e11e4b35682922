"""Chore: announces prepared transfers that wait for long (rules.md#reminders)."""

from functools import partial
from typing import Any, Final

from swpt_accounts.rules.book import Book
from swpt_accounts.rules.facts import Facts, TransferKey
from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.rules.upkeep import remind
from swpt_accounts.storage.arrays import arrays
from swpt_accounts.transactions import statements as sql
from swpt_accounts.transactions.account_locks import lock_accounts
from swpt_accounts.transactions.storing import store

from .chore import Position, Progress, Tools
from .isolation import attempt

_READ_FIRST: Final = """
SELECT debtor_id, creditor_id, transfer_id, prepared_at < %(before)s AND last_reminder_ts < %(before)s
FROM prepared_transfer ORDER BY debtor_id, creditor_id, transfer_id LIMIT %(limit)s
"""

_READ_NEXT: Final = """
SELECT debtor_id, creditor_id, transfer_id, prepared_at < %(before)s AND last_reminder_ts < %(before)s
FROM prepared_transfer
WHERE (debtor_id, creditor_id, transfer_id) > (%(debtor_id)s, %(creditor_id)s, %(transfer_id)s)
ORDER BY debtor_id, creditor_id, transfer_id LIMIT %(limit)s
"""


def send_reminders(cursor: Any, position: Position, tools: Tools) -> Progress:
    """Remind of the prepared transfers behind `position`."""
    bench = tools.bench
    parameters = {"before": bench.clock() - tools.periods.reminder_interval, "limit": tools.rows}
    if position is not None:
        parameters.update(zip(sql.TRANSFER_KEY, position, strict=True))
    cursor.execute(_READ_FIRST if position is None else _READ_NEXT, parameters)
    rows = cursor.fetchall()
    position = list(rows[-1][:3]) if len(rows) == tools.rows else None
    keys: list[TransferKey] = [row[:3] for row in rows if row[3]]
    if not keys:
        return Progress(0, position)
    book = _gather(cursor, keys, tools)
    reminded = sum(_remind(book, key, tools) for key in keys)
    stored = store(cursor, book, bench.infos, bench.publisher_key)
    return Progress(reminded, position, stored)


def _remind(book: Book, key: TransferKey, tools: Tools) -> bool:
    return attempt(partial(remind, book, key, tools.periods), key[:2], "reminded", otherwise=False)


def _gather(cursor: Any, keys: list[TransferKey], tools: Tools) -> Book:
    """The transfers under the locks of their senders, where nobody can finalize them."""
    bench = tools.bench
    accounts = lock_accounts(cursor, {key[:2] for key in keys}, bench.infos)
    sql.LOAD_TRANSFERS.run(cursor, arrays(sql.TRANSFER_KEY, keys))
    prepared = {(row[0], row[1], row[2]): PreparedTransfer(*row) for row in cursor.fetchall()}
    facts = Facts(now=bench.clock(), policy=bench.policy, accounts=accounts, prepared=prepared)
    return Book(facts)
