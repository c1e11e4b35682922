"""Chore: announces changed balances when they are due (rules.md#balance-changes)."""

from typing import Final

from swpt_accounts.rules.book import Book
from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.rules.upkeep import announce_pending, due_later
from swpt_accounts.storage.arrays import arrays
from swpt_accounts.transactions import columns
from swpt_accounts.transactions.books import close_book, open_book
from swpt_accounts.wire.moments import Moment, latest_due, seconds
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

from .chore import StepContext
from .isolation import attempt

_STEP: Final = 500
_PAUSE: Final = seconds(60)

# One process at a time, because two would pick the same accounts and wait for each other.
_TAKE_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtext('swpt_accounts announce_updates'))"

# What is due later than anything can be was written while the clock was wrong.
_FIND_DUE: Final = """
(SELECT debtor_id, creditor_id FROM account_update_due WHERE due_at <= %(until)s
 ORDER BY due_at LIMIT %(limit)s)
UNION ALL
(SELECT debtor_id, creditor_id FROM account_update_due WHERE due_at > %(latest)s
 ORDER BY due_at LIMIT %(limit)s)
"""

_FORGET: Final = """
DELETE FROM account_update_due d USING unnest(%s::int8[], %s::int8[]) AS k (debtor_id, creditor_id)
WHERE d.debtor_id = k.debtor_id AND d.creditor_id = k.creditor_id
"""

_PUT_OFF: Final = """
UPDATE account_update_due d SET due_at = k.due_at
FROM unnest(%s::int8[], %s::int8[], %s::int8[]) AS k (debtor_id, creditor_id, due_at)
WHERE d.debtor_id = k.debtor_id AND d.creditor_id = k.creditor_id
"""


def announce_updates(context: StepContext) -> int:
    """Announce the accounts whose AccountUpdate is due."""
    transaction = context.transaction
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_TAKE_TURN)
        if not cursor.fetchone()[0]:
            return 0
        policy = transaction.policy
        longest = max(policy.account_update_delay, policy.account_update_min_interval, _PAUSE)
        latest = max(latest_due(longest, transaction.clock()), context.until)
        cursor.execute(_FIND_DUE, {"until": context.until, "latest": latest, "limit": _STEP})
        keys = sorted(cursor.fetchall())
        if not keys:
            return 0
        # The account first, always: a worker that holds it may be writing its row of due updates.
        # What a split has left here is announced by the sibling, and only forgotten.
        owned = list(filter(policy.realm.owns_key, keys))
        roots = {debtor_id for debtor_id, creditor_id in owned if creditor_id == ROOT_CREDITOR_ID}
        book = open_book(cursor, transaction, owned, debtor_ids=roots)
        put_off = [(*key, due_at) for key in owned if (due_at := _announce(book, key)) is not None]
        outcome = close_book(cursor, transaction, book)
        done = sorted(set(keys) - {row[:2] for row in put_off})
        if done:
            cursor.execute(_FORGET, arrays(columns.ACCOUNT_KEY, done))
        if put_off:
            cursor.execute(_PUT_OFF, arrays([*columns.ACCOUNT_KEY, "due_at"], put_off))
    context.finish(outcome)
    return len(keys)


def _announce(book: Book, key: AccountKey) -> Moment | None:
    """Announce the account if it is due; returns when it has to be looked at again."""

    def announce() -> Moment | None:
        announce_pending(book, key)
        return due_later(book, key)

    # Without a pause, an account that can not be announced would come first again and again.
    return attempt(announce, key, "announced", otherwise=book.now + _PAUSE)
