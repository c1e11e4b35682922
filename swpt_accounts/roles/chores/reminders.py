"""Chore: announces prepared transfers that wait for long (rules.md#reminders)."""

from functools import partial
from typing import Any, Final

from swpt_accounts.rules.book import Book
from swpt_accounts.rules.facts import TransferKey
from swpt_accounts.rules.upkeep import remind
from swpt_accounts.transactions import columns
from swpt_accounts.transactions.books import close_book, open_book

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
    book = open_book(cursor, transaction, {key[:2] for key in keys}, debtor_ids=(), transfers=keys)
    reminded = sum(_remind(book, key, context) for key in keys)
    return Progress(reminded, position, close_book(cursor, transaction, book))


def _remind(book: Book, key: TransferKey, context: StepContext) -> bool:
    return attempt(partial(remind, book, key, context.periods), key[:2], "reminded", otherwise=False)
