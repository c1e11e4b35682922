"""The journal for operators: rows of its default partition are moved into the partitions of their months.

They came there when the clock was wrong, or when no partition could be made for long.  A month that was
closed gets a partition, too, for what was written there later; it leaves with the next month that is closed.

A month may have millions of rows, so they are first copied into a table that is none of the journal's yet, in
steps of a bounded size; only then, in one transaction, they vanish from the default partition, and the table
becomes a partition.  Nobody sees a row twice, or misses one, and who is stopped goes on where he was.

Workers go on meanwhile.  For the last moment the default partition is locked, for which nobody waits longer
than the time limit below.
"""

from collections.abc import Callable
from contextlib import contextmanager
from time import sleep
from typing import Any, Final

import msgspec
from psycopg2.errors import LockNotAvailable

from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.partitions import DEFAULT, Month, creation, find_strays
from swpt_accounts.wire.moments import from_datetime

from .conflicts import transact
from .orders import Order

_STEP: Final = 10_000
_MOST_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.5

_TAKE_TURN: Final = "SELECT pg_try_advisory_lock(hashtext('swpt_accounts journal tidy'))"
_END_TURN: Final = "SELECT pg_advisory_unlock(hashtext('swpt_accounts journal tidy'))"

_EXISTS: Final = "SELECT to_regclass(%s) IS NOT NULL"
_PREFER_KEYS: Final = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off"

# Rows of the journal never change.  Those that are committed behind the position are moved at the end.
_COPY: Final = f"""
INSERT INTO {{copies}} SELECT * FROM {DEFAULT} d
WHERE d.applied_at < %(end)s AND (d.applied_at, d.journal_id) > (
    SELECT coalesce(max(applied_at), %(start)s), coalesce(max(journal_id), 0) FROM (
        SELECT applied_at, journal_id FROM {{copies}}
        ORDER BY applied_at DESC, journal_id DESC LIMIT 1) AS last)
ORDER BY d.applied_at, d.journal_id LIMIT %(limit)s
"""  # noqa: S608 - names of our own

_MOVE: Final = f"""
WITH gone AS (
    DELETE FROM {DEFAULT} WHERE applied_at >= %(start)s AND applied_at < %(end)s RETURNING *)
INSERT INTO {{copies}} SELECT * FROM gone ON CONFLICT DO NOTHING
"""  # noqa: S608 - names of our own

_COUNT: Final = "SELECT count(*) FROM {copies}"
_DO_NOT_WAIT: Final = "SET LOCAL lock_timeout = '1s'"
_LOCK: Final = f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE"
_RENAME: Final = "ALTER TABLE {copies} RENAME TO {name};"


class Moved(msgspec.Struct, frozen=True):
    """A month of which the default partition holds no rows any more, and how many it held."""

    name: str
    rows: int


def tidy(
    connection: Any,
    *,
    order: Order,
    is_stopping: Callable[[], bool] = lambda: False,
    step_rows: int = _STEP,
) -> list[Moved]:
    """Give every month of which the default partition holds rows a partition, and move them there.

    Returns the months that are done; what was stopped goes on the next time.  Raises OperatorError if
    another one is at work, or if the journal is in use for so long that the last lock is not to be had.
    """
    moved: list[Moved] = []
    with _turn(connection):
        for month in transact(connection, find_strays):
            if not _copy(connection, month, step_rows, is_stopping):
                break
            moved.append(_insist(connection, month, order))
    return moved


@contextmanager
def _turn(connection: Any) -> Any:
    """One of these at a time, however many transactions it takes."""
    if not transact(connection, lambda cursor: _ask(cursor, _TAKE_TURN)):
        raise OperatorError("another `swpt-accounts journal tidy` is at work: wait for its end")
    try:
        yield
    finally:
        if not connection.closed:
            transact(connection, lambda cursor: _ask(cursor, _END_TURN))


def _ask(cursor: Any, query: str) -> Any:
    cursor.execute(query)
    return cursor.fetchone()[0]


def _copies(month: Month) -> str:
    """The name of the table that will be the partition of this month."""
    return f"{month.name}_moving"


def _bounds(month: Month) -> dict[str, int]:
    return {"start": from_datetime(month.start), "end": from_datetime(month.end)}


def _copy(connection: Any, month: Month, step_rows: int, is_stopping: Callable[[], bool]) -> bool:
    """Copy the rows of a month, step by step; False if it was stopped."""
    copies = _copies(month)

    def begin(cursor: Any) -> None:
        cursor.execute(_EXISTS, [copies])
        if not cursor.fetchone()[0]:
            cursor.execute(creation(copies))

    def copy(cursor: Any) -> int:
        cursor.execute(_PREFER_KEYS)
        cursor.execute(_COPY.format(copies=copies), {**_bounds(month), "limit": step_rows})
        return int(cursor.rowcount)

    transact(connection, begin)
    while not is_stopping():
        if transact(connection, copy) < step_rows:
            return True
    return False


def _insist(connection: Any, month: Month, order: Order) -> Moved:
    """Move a month at a moment at which nobody uses the default partition for long."""
    for _ in range(_MOST_TRIES):
        try:
            return transact(connection, lambda cursor: _move(cursor, month, order))
        except LockNotAvailable:
            sleep(_PAUSE_SECONDS)
    raise OperatorError(
        "the journal is in use for long, by a backup or a report: nothing of it is changed; try again later"
    )


def _move(cursor: Any, month: Month, order: Order) -> Moved:
    copies, bounds = _copies(month), _bounds(month)
    # Most of the work comes before the lock, and what was committed meanwhile behind it.
    cursor.execute(_MOVE.format(copies=copies), bounds)
    cursor.execute(_DO_NOT_WAIT)
    cursor.execute(_LOCK)
    cursor.execute(_MOVE.format(copies=copies), bounds)
    cursor.execute(_RENAME.format(copies=copies, name=month.name) + month.attachment(month.name))
    rows = int(_ask(cursor, _COUNT.format(copies=month.name)))
    order.write_down(cursor, "journal tidy", month.name, f"{rows} rows from the default partition")
    return Moved(month.name, rows)
