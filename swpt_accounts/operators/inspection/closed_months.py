"""Months that were taken out of the journal: what is still known of them (rules.md#closed-months)."""

from typing import Any, Final

import msgspec

from swpt_accounts.wire.moments import Moment

_FIND: Final = """
SELECT starts_at, ends_at, table_name, row_count, openings, encode(archive_sha256, 'hex'), closed_at,
    dropped_at
FROM closed_month ORDER BY starts_at
"""
_ARCHIVED_ROWS: Final = "SELECT coalesce(sum(row_count), 0)::int8 FROM archived_segment WHERE seal_id = %s"


class ClosedMonth(msgspec.Struct, frozen=True):
    """A month that is closed; its rows are in `table_name` until they are dropped, and in an archive."""

    starts_at: Moment
    ends_at: Moment
    table_name: str
    row_count: int
    openings: int
    archive_sha256: str
    closed_at: Moment
    dropped_at: Moment | None


def read_closed_months(cursor: Any) -> list[ClosedMonth]:
    """All of them, the oldest first."""
    cursor.execute(_FIND)
    return [ClosedMonth(*row) for row in cursor.fetchall()]


def count_archived_rows(cursor: Any, seal_id: int) -> int:
    """How many rows of a segment are not in the journal any more."""
    cursor.execute(_ARCHIVED_ROWS, [seal_id])
    return int(cursor.fetchone()[0])
