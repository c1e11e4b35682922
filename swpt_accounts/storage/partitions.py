"""Partitions of the journal: one for each month, made ahead.

The default partition is an alarm, not a home: what lands there keeps the server running, but a
month that it holds rows of can't get a partition of its own any more.
"""

import re
from datetime import UTC, datetime
from logging import getLogger
from typing import Any, Final

from psycopg2.errors import LockNotAvailable

from swpt_accounts.wire.moments import Moment, from_datetime, to_datetime

MONTHS_AHEAD: Final = 3

_FIND: Final = "SELECT relname FROM pg_class WHERE relname LIKE 'journal\\_%' AND relkind = 'r'"
# Only one process at a time may try, because there is no ON CONFLICT for tables.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('swpt_accounts journal partitions'))"
# A backup may read the journal for hours; the months ahead leave us time to come again.
_DO_NOT_WAIT: Final = "SET LOCAL lock_timeout = '1s'"
_DEFAULT: Final = "CREATE TABLE IF NOT EXISTS journal_default PARTITION OF journal DEFAULT"
# To attach a table waits only for readers of the default partition, while CREATE TABLE ... PARTITION OF
# waits for everybody who uses the journal, and every commit would wait behind it.
_CREATE: Final = """
CREATE TABLE {name} (LIKE journal INCLUDING ALL EXCLUDING IDENTITY);
ALTER TABLE journal ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})
"""
_IS_ALARMING: Final = "SELECT EXISTS (SELECT 1 FROM journal_default)"

_MONTH: Final = re.compile(r"journal_(\d{4})_(\d\d)", re.ASCII)

_logger: Final = getLogger(__name__)


def make_partitions(connection: Any, now: Moment) -> int:
    """Make the partitions of this month and of the next ones; returns how many were missing.

    None is made as long as somebody reads the whole journal, whom commits would have to wait for.
    """
    try:
        with connection, connection.cursor() as cursor:
            made = _make_missing(cursor, now)
    except LockNotAvailable:
        _logger.warning("The journal is being read: its next partitions have to be made later.")
        made = 0
    with connection, connection.cursor() as cursor:
        cursor.execute(_IS_ALARMING)
        if cursor.fetchone()[0]:
            _logger.error("ALARM: the default partition of the journal holds rows: move them by hand")
    return made


def _make_missing(cursor: Any, now: Moment) -> int:
    if not _missing(cursor, now):
        return 0
    cursor.execute(_LOCK)
    cursor.execute(_DO_NOT_WAIT)
    missing = _missing(cursor, now)
    for name, start in missing.items():
        if start is None:
            cursor.execute(_DEFAULT)
        else:
            bounds = {"start": from_datetime(start), "end": from_datetime(_next_month(start))}
            cursor.execute(_CREATE.format(name=name, **bounds))
    return sum(start is not None for start in missing.values())


def _missing(cursor: Any, now: Moment) -> dict[str, datetime | None]:
    """The partitions that there should be and are not, and their months; none for the default partition."""
    cursor.execute(_FIND)
    existing = {name for (name,) in cursor.fetchall()}
    wanted: dict[str, datetime | None] = {_name(month): month for month in _months(now)}
    wanted["journal_default"] = None
    return {name: start for name, start in wanted.items() if name not in existing}


def journal_start(cursor: Any) -> Moment | None:
    """From when on the journal knows everything: where its oldest month begins; None without any."""
    cursor.execute(_FIND)
    months = [_MONTH.fullmatch(name) for (name,) in cursor.fetchall()]
    starts = [datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC) for found in months if found]
    return from_datetime(min(starts)) if starts else None


def _months(now: Moment) -> list[datetime]:
    start = to_datetime(now).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = [start]
    for _ in range(MONTHS_AHEAD):
        months.append(_next_month(months[-1]))
    return months


def _next_month(start: datetime) -> datetime:
    years, month = divmod(start.month, 12)
    return datetime(start.year + years, month + 1, 1, tzinfo=UTC)


def _name(start: datetime) -> str:
    return f"journal_{start:%Y_%m}"
