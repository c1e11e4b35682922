"""Chore: publishes what other processes left in the outbox (rules.md#publishing).

Rows of a process that is gone are taken over at once: its advisory lock is free.  Rows that the broker
did not take before are tried again when their time has come.  Of those that no queue wanted, one row
tries the way to a peer for all that wait for it at the time (see `waiting`).
"""

from logging import getLogger
from typing import Any, Final

from swpt_accounts.storage.outbox.publishing import Scout
from swpt_accounts.storage.outbox.rows import Stored, unpack
from swpt_accounts.storage.outbox.waiting import choose
from swpt_accounts.wire.moments import Moment, latest_due, seconds

from .chore import StepContext

_STEP: Final = 200
# Rows of whole batches are big, and all of them are in memory until the broker has confirmed them.
_BATCH_ROWS: Final = 20

_FIND_PUBLISHERS: Final = "SELECT DISTINCT publisher_key FROM outbox WHERE publisher_key IS NOT NULL"

_IS_GONE: Final = "SELECT pg_try_advisory_xact_lock(%s)"

_TAKE_OVER: Final = """
UPDATE outbox SET publisher_key = %(own)s
WHERE outbox_id IN (
    SELECT outbox_id FROM outbox WHERE publisher_key = %(gone)s ORDER BY outbox_id LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
RETURNING outbox_id, payload, attempts
"""

_DUE: Final = """
SELECT outbox_id, payload, attempts, last_failure, created_at, type_counts, accounts FROM outbox
WHERE publisher_key IS NULL AND next_attempt_at <= %(until)s
ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

# No pause is so long: their next attempt was settled while the clock was wrong.
_ASTRAY: Final = _DUE.replace("next_attempt_at <= %(until)s", "next_attempt_at > %(latest)s")

_SIGN: Final = "UPDATE outbox SET publisher_key = %(own)s WHERE outbox_id = ANY(%(ids)s)"

# Without a moment for the next attempt there is none (rule O6).
_SET_ASIDE: Final = """
UPDATE outbox SET publisher_key = NULL, next_attempt_at = NULL, last_failure = 'unreadable'
WHERE outbox_id = ANY(%s)
"""

_logger: Final = getLogger(__name__)


def relay_outbox(context: StepContext) -> int:
    """Take over a bounded number of rows and publish them; none while the broker is away.

    The rows go out in the order in which they were written (rule O8); those that can not be read are set
    aside (rule O6).
    """
    if not context.outbox.is_connected:
        context.outbox.connect()
        return 0
    own = context.transaction.publisher_key
    with context.connection, context.connection.cursor() as cursor:
        rows: list[tuple[Any, Scout | None]] = [(row, None) for row in _take_over(cursor, own)]
        due = _find_due(cursor, context)
        to_try = choose(cursor, due, context.outbox, context.transaction.clock())
        rows += [(row[:3], scout) for row, scout in to_try]
        cursor.execute(_SIGN, {"own": own, "ids": [row[0] for row, _ in to_try]})
    _publish(context, rows)
    return len(rows) - len(to_try) + len(due)


def _publish(context: StepContext, rows: list[tuple[Any, Scout | None]]) -> None:
    """Hand rows over to the publisher, and set aside those that cannot be read."""
    unreadable = []
    for (outbox_id, payload, attempts), scout in sorted(rows, key=lambda one: one[0][0]):
        try:
            envelopes = unpack(payload)
        except Exception:
            _logger.exception("ALARM: the row %d of the outbox cannot be read, and is set aside", outbox_id)
            unreadable.append(outbox_id)
        else:
            context.outbox.hand_over(Stored(outbox_id, envelopes), attempts, scout=scout)
    if unreadable:
        with context.connection, context.connection.cursor() as cursor:
            cursor.execute(_SET_ASIDE, [unreadable])


def _find_due(cursor: Any, context: StepContext) -> list[Any]:
    """The rows whose time has come, and those whose time lies ahead of all that a right clock settles."""
    settings, until = context.settings, context.until
    longest = seconds(max(settings.outbox_retry_min_delay, settings.outbox_retry_max_delay))
    latest: Moment = max(until, latest_due(longest, context.transaction.clock()))
    rows: list[Any] = []
    for statement in (_DUE, _ASTRAY):
        cursor.execute(statement, {"until": until, "latest": latest, "limit": _STEP})
        rows += cursor.fetchall()
    return rows


def _take_over(cursor: Any, own: int) -> list[Any]:
    cursor.execute(_FIND_PUBLISHERS)
    for (key,) in cursor.fetchall():
        if key == own:
            continue
        cursor.execute(_IS_GONE, [key])
        if cursor.fetchone()[0]:
            cursor.execute(_TAKE_OVER, {"own": own, "gone": key, "limit": _BATCH_ROWS})
            rows: list[Any] = cursor.fetchall()
            if rows:
                return rows
    return []
