"""Chore: announces prepared transfers that wait for long (rules.md#reminders)."""

from functools import partial
from typing import Any, Final

from swpt_accounts.rules.book import Book
from swpt_accounts.rules.facts import TransferKey
from swpt_accounts.rules.upkeep import remind
from swpt_accounts.transactions import columns
from swpt_accounts.transactions.books import close_book, open_book
from swpt_accounts.wire.moments import most_ahead

from .chore import Position, Progress, StepContext
from .isolation import attempt

# What is ahead of the clock was written while that was wrong; the rule decides.
_SEEMS_DUE: Final = """
(prepared_at < %(before)s OR prepared_at > %(ahead)s)
AND (last_reminder_ts < %(before)s OR last_reminder_ts > %(ahead)s)
"""

_READ_FIRST: Final = f"""
SELECT debtor_id, creditor_id, transfer_id, {_SEEMS_DUE}
FROM prepared_transfer ORDER BY debtor_id, creditor_id, transfer_id LIMIT %(limit)s
"""  # noqa: S608 - constants only

_READ_NEXT: Final = f"""
SELECT debtor_id, creditor_id, transfer_id, {_SEEMS_DUE}
FROM prepared_transfer
WHERE (debtor_id, creditor_id, transfer_id) > (%(debtor_id)s, %(creditor_id)s, %(transfer_id)s)
ORDER BY debtor_id, creditor_id, transfer_id LIMIT %(limit)s
"""  # noqa: S608 - constants only


def send_reminders(cursor: Any, position: Position, context: StepContext) -> Progress:
    """Remind of the prepared transfers behind `position`."""
    transaction = context.transaction
    now, interval = transaction.clock(), context.periods.reminder_interval
    parameters = {"before": now - interval, "ahead": now + most_ahead(interval), "limit": context.rows}
    if position is not None:
        parameters.update(zip(columns.TRANSFER_KEY, position, strict=True))
    cursor.execute(_READ_FIRST if position is None else _READ_NEXT, parameters)
    rows = cursor.fetchall()
    position = list(rows[-1][:3]) if len(rows) == context.rows else None
    owns = transaction.policy.realm.owns
    keys: list[TransferKey] = [row[:3] for row in rows if row[3] and owns(row[0], row[1])]
    if not keys:
        return Progress(0, position)
    book = open_book(cursor, transaction, {key[:2] for key in keys}, debtor_ids=(), transfers=keys)
    reminded = sum(_remind(book, key, context) for key in keys)
    return Progress(reminded, position, close_book(cursor, transaction, book))


def _remind(book: Book, key: TransferKey, context: StepContext) -> bool:
    return attempt(partial(remind, book, key, context.periods), key[:2], "reminded", otherwise=False)
