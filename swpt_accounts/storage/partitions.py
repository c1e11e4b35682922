"""Partitions of the journal: one for each month, made ahead.

The default partition is an alarm, not a home: what lands there keeps the server running, but a
month that it holds rows of can't get a partition of its own any more, until they are moved.

Partitions are for later, so nothing that happens here keeps anybody from working now: what can not be
made is an alarm, and the others are made.
"""

import re
from datetime import UTC, datetime
from logging import getLogger
from typing import Any, Final

import psycopg2
from psycopg2.errors import LockNotAvailable

from swpt_accounts.runtime.errors import first_line
from swpt_accounts.wire.moments import Moment, from_datetime, to_datetime

from .faults import is_refusal

MONTHS_AHEAD: Final = 3
DEFAULT: Final = "journal_default"

# Most of the time there are none, and a few are enough.
_MOST_STRAYS_LOGGED: Final = 12

_FIND: Final = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journal'::regclass"
# A backup may read the journal for hours; the months ahead leave us time to come again.
_DO_NOT_WAIT: Final = "SET LOCAL lock_timeout = '1s'"
# Only one process at a time may try, because there is no ON CONFLICT for tables.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('swpt_accounts journal partitions'))"
_DEFAULT: Final = f"CREATE TABLE IF NOT EXISTS {DEFAULT} PARTITION OF journal DEFAULT"
# To attach a table waits only for readers of the default partition, while CREATE TABLE ... PARTITION OF
# waits for everybody who uses the journal, and every commit would wait behind it.
_CREATE: Final = "CREATE TABLE {name} (LIKE journal INCLUDING ALL EXCLUDING IDENTITY);"
_ATTACH: Final = "ALTER TABLE journal ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({end})"
_MAKE: Final = "SELECT make_journal_month({year}, {month})"
_ARCHIVED_UNTIL: Final = "SELECT max(ends_at) FROM closed_month"
_NEXT_STRAY: Final = f"SELECT min(applied_at) FROM {DEFAULT} WHERE applied_at >= %s"  # noqa: S608

_MONTH: Final = re.compile(r"journal_(\d{4})_(\d\d)", re.ASCII)

_logger: Final = getLogger(__name__)


class Month:
    """A month of the journal: the name of its partition, and its bounds."""

    def __init__(self, at: datetime) -> None:
        self.start = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        years, month = divmod(self.start.month, 12)
        self.end = datetime(self.start.year + years, month + 1, 1, tzinfo=UTC)
        self.name = f"journal_{self.start.year:04}_{self.start.month:02}"

    def __str__(self) -> str:
        return f"{self.start.year:04}-{self.start.month:02}"

    @property
    def making(self) -> str:
        """The statement that makes the partition of this month, also for those who do not own the journal."""
        return _MAKE.format(year=self.start.year, month=self.start.month)

    def attachment(self, table: str) -> str:
        """The statement that makes a table the partition of this month."""
        return _ATTACH.format(name=table, start=from_datetime(self.start), end=from_datetime(self.end))


def make_partitions(connection: Any, now: Moment) -> int:
    """Make the partitions of this month and of the next ones; returns how many months were missing.

    None is made as long as somebody reads the whole journal, whom commits would have to wait for.  What
    can not be made is logged as an alarm: a month of which the default partition holds rows, or any for
    which we lack a right.  Raises psycopg2.Error if the database is away.
    """
    made, refused, strays = 0, {}, _read_strays(connection)
    for name, month in _missing(connection, now, strays).items():
        try:
            made += _make(connection, name, month)
        except LockNotAvailable:
            _logger.warning("The journal is being read: its next partitions have to be made later.")
            break
        except psycopg2.Error as error:
            if not is_refusal(error):
                raise
            refused[name] = first_line(error)
    for name, why in refused.items():
        _logger.error("ALARM: %s, a partition of the journal, can not be made: %s", name, why)
    if strays:
        logged = ", ".join(str(month) for month in strays[:_MOST_STRAYS_LOGGED])
        _logger.error(
            "ALARM: the default partition of the journal holds rows of %s: run `swpt-accounts journal tidy`",
            logged,
        )
    return made


def _make(connection: Any, name: str, month: Month | None) -> bool:
    """Make a partition in a transaction of its own; says whether it was a missing month."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_DO_NOT_WAIT)
        cursor.execute(_LOCK)
        if name in partition_names(cursor):
            return False
        cursor.execute(_DEFAULT if month is None else month.making)
        return month is not None


def creation(table: str) -> str:
    """The statement that makes a table that can become a partition."""
    return _CREATE.format(name=table)


def _missing(connection: Any, now: Moment, strays: list[Month]) -> dict[str, Month | None]:
    """The partitions that there should be and are not, and their months; none for the default partition.

    A month of which the default partition holds rows has to wait.
    """
    with connection, connection.cursor() as cursor:
        existing = partition_names(cursor)
    wanted: dict[str, Month | None] = {DEFAULT: None}
    wanted |= {month.name: month for month in _months(now)}
    unable = existing | {month.name for month in strays}
    return {name: month for name, month in wanted.items() if name not in unable}


def has_room(connection: Any, now: Moment) -> bool:
    """Whether the journal takes rows of this moment."""
    with connection, connection.cursor() as cursor:
        return not partition_names(cursor).isdisjoint({DEFAULT, Month(to_datetime(now)).name})


def find_strays(cursor: Any) -> list[Month]:
    """The months of which the default partition holds rows, found by jumps in its primary key."""
    if DEFAULT not in partition_names(cursor):
        return []
    months: list[Month] = []
    after: Moment = -(2**63)
    while True:
        cursor.execute(_NEXT_STRAY, [after])
        first = cursor.fetchone()[0]
        if first is None:
            return months
        months.append(Month(to_datetime(first)))
        after = from_datetime(months[-1].end)


def _read_strays(connection: Any) -> list[Month]:
    with connection, connection.cursor() as cursor:
        return find_strays(cursor)


def partition_names(cursor: Any) -> set[str]:
    """The partitions that the journal has, in our own schema."""
    cursor.execute(_FIND)
    return {name.rpartition(".")[2] for (name,) in cursor.fetchall()}


def partition_months(cursor: Any) -> list[Month]:
    """The months that have a partition, the oldest first."""
    months = [_MONTH.fullmatch(name) for name in partition_names(cursor)]
    starts = sorted(datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC) for found in months if found)
    return [Month(start) for start in starts]


def archived_until(cursor: Any) -> Moment | None:
    """The end of the newest closed month; None if none is."""
    cursor.execute(_ARCHIVED_UNTIL)
    found: Moment | None = cursor.fetchone()[0]
    return found


def journal_start(cursor: Any) -> Moment | None:
    """From when on the journal knows everything; None without any month.

    What a wrong clock has written before is there as well, and changes nothing of it.
    """
    until = archived_until(cursor)
    if until is not None:
        return until
    months = partition_months(cursor)
    return from_datetime(months[0].start) if months else None


def _months(now: Moment) -> list[Month]:
    months = [Month(to_datetime(now))]
    for _ in range(MONTHS_AHEAD):
        months.append(Month(months[-1].end))
    return months
