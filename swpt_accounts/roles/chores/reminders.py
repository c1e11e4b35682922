"""Chore: announces prepared transfers that wait for long (rules.md#reminders)."""

from functools import partial
from typing import Any, Final

from swpt_accounts.rules.book import Book
from swpt_accounts.rules.facts import Facts, TransferKey
from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.rules.upkeep import remind
from swpt_accounts.storage.arrays import arrays
from swpt_accounts.transactions import columns
from swpt_accounts.transactions import reading as sql
from swpt_accounts.transactions.account_locks import lock_accounts
from swpt_accounts.transactions.storing import store

from .chore import Position, Progress, StepContext
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


def send_reminders(cursor: Any, position: Position, context: StepContext) -> Progress:
    """Remind of the prepared transfers behind `position`."""
    transaction = context.transaction
    parameters = {"before": transaction.clock() - context.periods.reminder_interval, "limit": context.rows}
    if position is not None:
        parameters.update(zip(columns.TRANSFER_KEY, position, strict=True))
    cursor.execute(_READ_FIRST if position is None else _READ_NEXT, parameters)
    rows = cursor.fetchall()
    position = list(rows[-1][:3]) if len(rows) == context.rows else None
    keys: list[TransferKey] = [row[:3] for row in rows if row[3]]
    if not keys:
        return Progress(0, position)
    book = _gather(cursor, keys, context)
    reminded = sum(_remind(book, key, context) for key in keys)
    stored = store(cursor, book, transaction.infos, transaction.publisher_key)
    return Progress(reminded, position, stored)


def _remind(book: Book, key: TransferKey, context: StepContext) -> bool:
    return attempt(partial(remind, book, key, context.periods), key[:2], "reminded", otherwise=False)


def _gather(cursor: Any, keys: list[TransferKey], context: StepContext) -> Book:
    """The transfers under the locks of their senders, where nobody can finalize them."""
    transaction = context.transaction
    accounts = lock_accounts(cursor, {key[:2] for key in keys}, transaction.infos)
    sql.LOAD_TRANSFERS.run(cursor, arrays(columns.TRANSFER_KEY, keys))
    prepared = {(row[0], row[1], row[2]): PreparedTransfer(*row) for row in cursor.fetchall()}
    facts = Facts(now=transaction.clock(), policy=transaction.policy, accounts=accounts, prepared=prepared)
    return Book(facts)
