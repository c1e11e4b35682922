"""Chores: remove what is not needed any more, a bounded number of rows at a time."""

from typing import Any, Final

from swpt_accounts.storage.partitions import make_partitions
from swpt_accounts.transactions import columns
from swpt_accounts.transactions.refusals import forget_refusals
from swpt_accounts.wire.moments import most_ahead, seconds
from swpt_accounts.wire.numbers import MIN_INT64

from .chore import Position, Progress, StepContext

_READ: Final = 5000
_REMOVE: Final = 500
_REMOVE_MANY: Final = 5000
_DAY: Final = seconds(86400)

# Lone tries are made within seconds; what is this old belongs to a message that is long gone.
_ATTEMPTS_KEPT: Final = 30 * _DAY


_READ_CREDITS: Final = """
SELECT debtor_id, other_creditor_id, change_id FROM registered_balance_change
WHERE (debtor_id, other_creditor_id, change_id) >= (%(debtor_id)s, %(other_creditor_id)s, %(change_id)s)
ORDER BY debtor_id, other_creditor_id, change_id LIMIT 1 OFFSET %(limit)s
"""

_REMOVE_CREDITS: Final = """
DELETE FROM registered_balance_change
WHERE (debtor_id, other_creditor_id, change_id) >= (%(debtor_id)s, %(other_creditor_id)s, %(change_id)s)
  AND (%(is_last)s OR (debtor_id, other_creditor_id, change_id)
       < (%(end_debtor_id)s, %(end_other_creditor_id)s, %(end_change_id)s))
  AND committed_at < %(before)s
"""

_REMOVE_DEAD_LETTERS: Final = """
DELETE FROM dead_letter WHERE dead_letter_id IN (
    SELECT dead_letter_id FROM dead_letter WHERE state IN ('returned', 'discarded') AND settled_at < %s
    ORDER BY state, dead_letter_id LIMIT %s FOR UPDATE SKIP LOCKED)
"""

_REMOVE_SESSIONS: Final = """
DELETE FROM admin_session WHERE seen_at < %(seen_before)s OR created_at < %(born_before)s
    OR seen_at > %(seen_ahead)s OR created_at > %(born_ahead)s
"""

_REMOVE_ATTEMPTS: Final = "DELETE FROM delivery_attempt WHERE last_attempt_at < %s OR last_attempt_at > %s"

# What was settled, or refused, while the clock was ahead is kept as if it had just happened.
_DATE_BACK_LETTERS: Final = """
UPDATE dead_letter SET settled_at = %(now)s
WHERE state IN ('returned', 'discarded') AND settled_at > %(ahead)s
"""

_DATE_BACK_REFUSALS: Final = """
UPDATE refusal SET refused_at = %(now)s WHERE (refused_at, refusal_id) IN (
    SELECT refused_at, refusal_id FROM refusal WHERE refused_at > %(ahead)s
    ORDER BY refused_at, refusal_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""


def clean_registry(cursor: Any, position: Position, context: StepContext) -> Progress:
    """Forget cross-shard credits of which no duplicate can be applied (rules.md#cleaning-the-registry)."""
    start = dict(zip(columns.CREDIT_KEY, position or [MIN_INT64] * 3, strict=True))
    cursor.execute(_READ_CREDITS, {**start, "limit": _READ})
    end = cursor.fetchone()
    ends = end or (0, 0, 0)
    before = context.transaction.clock() - context.transaction.policy.credit_safe_age - _DAY
    cursor.execute(
        _REMOVE_CREDITS,
        {
            **start,
            "is_last": end is None,
            "end_debtor_id": ends[0],
            "end_other_creditor_id": ends[1],
            "end_change_id": ends[2],
            "before": before,
        },
    )
    return Progress(cursor.rowcount, None if end is None else list(end))


def remove_dead_letters(context: StepContext) -> int:
    """Remove settled dead letters after DEAD_LETTER_RETENTION, and attempts that nobody needs."""
    now, retention = context.until, seconds(context.settings.dead_letter_retention)
    before, ahead = now - retention, context.transaction.clock() + most_ahead(_DAY)
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_REMOVE_ATTEMPTS, [now - _ATTEMPTS_KEPT, ahead])
        cursor.execute(_DATE_BACK_LETTERS, {"now": now, "ahead": ahead})
        cursor.execute(_REMOVE_DEAD_LETTERS, [before, _REMOVE])
        return int(cursor.rowcount)


def remove_refusals(context: StepContext) -> int:
    """Forget refusals that are old or too many, and sessions of the console that have ended by time."""
    now, settings, present = context.until, context.settings, context.transaction.clock()
    idle, length = seconds(settings.admin_session_idle), seconds(settings.admin_session_length)
    ends = {
        "seen_before": now - idle,
        "born_before": now - length,
        "seen_ahead": present + most_ahead(idle),
        "born_ahead": present + most_ahead(length),
    }
    astray = {"now": now, "ahead": present + most_ahead(_DAY), "limit": _REMOVE_MANY}
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_REMOVE_SESSIONS, ends)
        cursor.execute(_DATE_BACK_REFUSALS, astray)
        before = now - seconds(settings.refusal_retention)
        return forget_refusals(
            cursor, before, until=now, most_kept=settings.refusal_max_rows, limit=_REMOVE_MANY
        )


def make_journal_partitions(context: StepContext) -> int:
    """Make the partitions of the next months."""
    return make_partitions(context.connection, context.transaction.clock())
