"""The diary of the chores: a row of the table `chore` for each, read by operators and by passes."""

from typing import Any, Final

import msgspec
from psycopg2.extras import Json

from swpt_accounts.wire.moments import MICROSECONDS, Moment, seconds

from .chore import Errand, Pass, Progress, StepContext

_ENROLL: Final = """
INSERT INTO chore (name, period_seconds) VALUES (%(name)s, %(period_seconds)s)
ON CONFLICT (name) DO UPDATE SET period_seconds = excluded.period_seconds
WHERE chore.period_seconds <> excluded.period_seconds
"""

# Another process that has the pass in hand keeps us from it, but not from other chores.
_TAKE: Final = """
SELECT pass_started_at, position, last_started_at, requested_at FROM chore
WHERE name = %s FOR UPDATE SKIP LOCKED
"""

_BEGIN: Final = """
UPDATE chore SET pass_started_at = %(now)s, position = NULL, pass_rows = 0, pass_seconds = 0,
    requested_at = NULL
WHERE name = %(name)s
"""

_GO_ON: Final = """
UPDATE chore SET position = %(position)s, pass_started_at = least(pass_started_at, %(now)s),
    pass_rows = pass_rows + %(rows)s, pass_seconds = pass_seconds + %(seconds)s
WHERE name = %(name)s
"""

_FINISH: Final = """
UPDATE chore SET last_started_at = least(pass_started_at, %(now)s), last_finished_at = %(now)s,
    last_rows = pass_rows + %(rows)s, last_seconds = pass_seconds + %(seconds)s,
    pass_started_at = NULL, position = NULL, pass_rows = 0, pass_seconds = 0
WHERE name = %(name)s
"""

_NOTE_ERRAND: Final = """
UPDATE chore SET last_started_at = %(started_at)s, last_finished_at = %(now)s, last_rows = %(rows)s,
    last_seconds = %(seconds)s,
    requested_at = CASE WHEN requested_at > %(started_at)s AND requested_at <= %(ahead)s THEN requested_at END
WHERE name = %(name)s
"""

# A request from further ahead was made while the clock was wrong, and is as old as it is new.
_CLOCKS_DIFFER: Final = seconds(60)

_FIND_REQUESTED: Final = "SELECT name FROM chore WHERE requested_at IS NOT NULL"


def enroll(connection: Any, chore: Errand | Pass, period_seconds: float) -> None:
    """Make sure that the chore has its row."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_ENROLL, {"name": chore.name, "period_seconds": period_seconds})


def find_requested(connection: Any) -> set[str]:
    """The names of the chores that an operator wants to be done now."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_FIND_REQUESTED)
        return {name for (name,) in cursor.fetchall()}


def take_step(
    chore: Pass, context: StepContext, period_seconds: float, *, is_forced: bool
) -> Progress | None:
    """Do the next step of a pass, or begin a new pass if its time has come.

    None: nothing is due, or another process has the pass in hand.
    """
    clock = context.transaction.clock
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_TAKE, [chore.name])
        row = cursor.fetchone()
        if row is None:
            return None
        pass_started_at, position, last_started_at, requested_at = row
        now = clock()
        if pass_started_at is None:
            is_wanted = is_forced or requested_at is not None
            if not is_wanted and not _is_due(last_started_at, now, period_seconds):
                return None
            cursor.execute(_BEGIN, {"name": chore.name, "now": now})
            position = None
        progress = chore.step(cursor, position, context)
        note = {
            "name": chore.name,
            "now": clock(),
            "rows": progress.rows,
            "seconds": (clock() - now) / MICROSECONDS,
            "position": Json(progress.position),
        }
        cursor.execute(_FINISH if progress.position is None else _GO_ON, note)
    context.finish(progress.outcome)
    return msgspec.structs.replace(progress, age_seconds=(now - (pass_started_at or now)) / MICROSECONDS)


def note_errand(connection: Any, errand: Errand, started_at: Moment, now: Moment, rows: int) -> None:
    """Write down how an errand went that is at its end now."""
    note = {
        "name": errand.name,
        "started_at": started_at,
        "now": now,
        "ahead": now + _CLOCKS_DIFFER,
        "rows": rows,
        "seconds": (now - started_at) / MICROSECONDS,
    }
    with connection, connection.cursor() as cursor:
        cursor.execute(_NOTE_ERRAND, note)


def _is_due(last_started_at: Moment | None, now: Moment, period_seconds: float) -> bool:
    """Whether the period is over; a start in the future means that the clock was set back."""
    if last_started_at is None or last_started_at > now:
        return True
    return now - last_started_at >= period_seconds * MICROSECONDS
