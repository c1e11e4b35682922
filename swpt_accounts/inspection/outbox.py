"""How much waits to be published."""

from typing import Any, Final

import msgspec

from swpt_accounts.moments import Moment

_MOST_COUNTED: Final = 10_000

# Rows come and go in millions: nobody needs the exact number of many.
_COUNT: Final = f"""
SELECT count(*), count(*) FILTER (WHERE last_failure IS NOT NULL),
    count(*) FILTER (WHERE publisher_key IS NULL AND next_attempt_at IS NULL), min(created_at)
FROM (SELECT last_failure, publisher_key, next_attempt_at, created_at FROM outbox
      ORDER BY outbox_id LIMIT {_MOST_COUNTED}) AS oldest
"""  # noqa: S608 - constants only


class OutboxState(msgspec.Struct, frozen=True):
    """The oldest rows of the outbox, counted; all of them unless there are as many as are counted at most."""

    rows: int
    failed_rows: int
    parked_rows: int
    oldest_created_at: Moment | None
    is_complete: bool


def outbox_state(connection: Any) -> OutboxState:
    """How much waits, and since when."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_COUNT)
        rows, failed, parked, oldest = cursor.fetchone()
    return OutboxState(rows, failed, parked, oldest, rows < _MOST_COUNTED)
