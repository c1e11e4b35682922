"""Chore: publishes what other processes left in the outbox (rules.md#publishing).

Rows of a process that is gone are taken over at once: its advisory lock is free.  Rows that the broker
did not take before are tried again when their time has come.  Of those that no queue wanted, one row
tries the way to a peer for all that wait for it at the time (see `waiting`).

A process that hangs keeps its lock; but who lives does not have the same row in hand for longer than its
publisher waits, and so it is taken over as well.  If it goes on one day, its messages come twice.
"""

from logging import getLogger
from typing import Any, Final

from swpt_accounts.events import Envelope
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.outbox.owners import divide
from swpt_accounts.storage.outbox.publishing import Scout, packed
from swpt_accounts.storage.outbox.rows import Stored, unpack
from swpt_accounts.storage.outbox.scouts import choose
from swpt_accounts.wire.moments import Moment, latest_due, seconds

from .chore import StepContext

_STEP: Final = 200
# Rows of whole batches are big, and all of them are in memory until the broker has confirmed them.
_BATCH_ROWS: Final = 20

# A publisher waits for room for as long as it waits for confirms, and its keeper may have to connect again.
_KEEPING_SECONDS: Final = 30.0

_FIND_PUBLISHERS: Final = """
SELECT publisher_key, min(outbox_id), max(outbox_id) FROM outbox WHERE publisher_key IS NOT NULL
GROUP BY publisher_key ORDER BY 2
"""

_FIND_HOLDER: Final = """
SELECT format(
    'process %%s ("%%s", %%s)', pid, application_name, coalesce(host(client_addr), 'a local client'))
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND datname = current_database()
    AND classid::bigint << 32 | objid::bigint = %s
"""

_IS_GONE: Final = "SELECT pg_try_advisory_xact_lock(%s)"

_TAKE_OVER: Final = """
UPDATE outbox SET publisher_key = %(own)s
WHERE outbox_id IN (
    SELECT outbox_id FROM outbox WHERE publisher_key = %(gone)s AND outbox_id <= %(newest_id)s
    ORDER BY outbox_id LIMIT %(limit)s
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

# What belongs to other shards: nobody sends it before an operator has looked at it.
_PARK: Final = """
INSERT INTO outbox (created_at, type_counts, accounts, payload, attempts, last_failure)
SELECT created_at, %s, %s, %s, attempts, 'foreign' FROM outbox WHERE outbox_id = %s
"""

_REPLACE: Final = "UPDATE outbox SET type_counts = %s, accounts = %s, payload = %s WHERE outbox_id = %s"

_REMOVE: Final = "DELETE FROM outbox WHERE outbox_id = %s"

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
        rows: list[tuple[Any, Scout | None]] = [(row, None) for row in _take_over(cursor, context)]
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
            continue
        if context.transaction.policy.realm.bits:
            envelopes = _keep_to_ours(context, outbox_id, envelopes)
        if envelopes:
            context.outbox.hand_over(Stored(outbox_id, envelopes), attempts, scout=scout)
    if unreadable:
        with context.connection, context.connection.cursor() as cursor:
            cursor.execute(_SET_ASIDE, [unreadable])


def _keep_to_ours(context: StepContext, outbox_id: int, envelopes: list[Envelope]) -> list[Envelope]:
    """Those events of a row that this shard publishes (rule O9); the others are removed, or set aside."""
    own, siblings, strange = divide(envelopes, context.transaction.policy.realm)
    kept = strange if context.settings.delete_foreign_records else [*siblings, *strange]
    if not siblings and not kept:
        return own
    with context.connection, context.connection.cursor() as cursor:
        if kept:
            _logger.error(
                "ALARM: %d messages in the row %d of the outbox belong to another shard: they are not sent,"
                " and kept for an operator",
                len(kept),
                outbox_id,
            )
            cursor.execute(_PARK, [*packed(kept), outbox_id])
        if own:
            cursor.execute(_REPLACE, [*packed(own), outbox_id])
        else:
            cursor.execute(_REMOVE, [outbox_id])
    return own


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


def hanging_after_seconds(settings: Settings) -> float:
    """For how long a living process may have the same row in hand."""
    return 2 * settings.publish_confirm_timeout + _KEEPING_SECONDS


def _take_over(cursor: Any, context: StepContext) -> list[Any]:
    own = context.transaction.publisher_key
    cursor.execute(_FIND_PUBLISHERS)
    held = {key: (oldest, newest) for key, oldest, newest in cursor.fetchall() if key != own}
    context.held_rows.note(held)
    hanging = context.held_rows.hanging(hanging_after_seconds(context.settings))
    for key, (_, newest_id) in held.items():
        rows = _take_over_from(cursor, own, key, newest_id, hanging.get(key))
        if rows:
            return rows
    return []


def _take_over_from(
    cursor: Any, own: int, key: int, newest_id: int, newest_hanging_id: int | None
) -> list[Any]:
    """Rows of one publisher: all if it is gone, those that it has had for long if it hangs."""
    cursor.execute(_IS_GONE, [key])
    if not cursor.fetchone()[0]:
        if newest_hanging_id is None:
            return []
        cursor.execute(_FIND_HOLDER, [key])
        (holder,) = cursor.fetchone() or ("a process",)
        _logger.warning("The messages of %s stay in the outbox: it seems to hang; taking them over.", holder)
        newest_id = newest_hanging_id
    cursor.execute(_TAKE_OVER, {"own": own, "gone": key, "newest_id": newest_id, "limit": _BATCH_ROWS})
    rows: list[Any] = cursor.fetchall()
    return rows
