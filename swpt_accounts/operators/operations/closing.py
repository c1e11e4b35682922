"""Closing a month of the journal: it leaves the journal for an archive, and opening balances take its place.

See rules.md#closed-months.  All is one transaction: a file with all rows of the month; an opening balance at
the end of the month for each account that the journal knows, by what it says itself; the proof, by the checks
of `verify`, that the books are as right without the month as with it; and last of all the month is detached,
for which nobody waits longer than a second.  Who is killed anywhere has changed nothing, and begins anew.

What a wrong clock has written before the month leaves with it, in the same archive.
The rows stay in a table of their own until somebody shows the archive and has them dropped.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from time import sleep
from typing import Any, Final

import msgspec
from psycopg2.errors import LockNotAvailable

from swpt_accounts.operators.inspection.books.currency_facts import account_facts, read_currency
from swpt_accounts.operators.inspection.books.seals import check_seals
from swpt_accounts.operators.inspection.closed_months import ClosedMonth
from swpt_accounts.rules.invariants import violations
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.partitions import DEFAULT, Month
from swpt_accounts.storage.sealed_rows import COLUMNS
from swpt_accounts.wire.moments import Moment, render_timestamp
from swpt_accounts.wire.numbers import MAX_INT64

from .closable import Span, find_closed, find_span, has_unsealed
from .month_openings import write_openings
from .orders import Order

_MOST_TRIES: Final = 40
_PAUSE_SECONDS: Final = 0.5
_PROVED: Final = ("V4", "V9", "V10", "V12")

_SEALS: Final = """
SELECT seal_id, ends_written_by, ends_applied_at FROM seal
WHERE (ends_written_by, ends_applied_at) > (
    SELECT written_by, applied_at FROM journal WHERE applied_at < %s ORDER BY written_by, applied_at LIMIT 1)
ORDER BY seal_id
"""
_COPY: Final = (
    f"COPY (SELECT {', '.join(COLUMNS)} FROM journal WHERE applied_at < {{ends}}"  # noqa: S608 - constants only
    " ORDER BY written_by, applied_at, journal_id) TO STDOUT"
)

_BOUNDS: Final = "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"

_DEBTORS: Final = "SELECT DISTINCT debtor_id FROM account ORDER BY debtor_id"
_RESTORATIONS: Final = f"SELECT coalesce(finished_at, {MAX_INT64}) FROM restoration"  # noqa: S608
_ARCHIVED: Final = """
INSERT INTO archived_segment (seal_id, starts_at, row_count)
SELECT seal_id, %s, row_count FROM unnest(%s::int8[], %s::int8[]) AS of_seal (seal_id, row_count)
"""

_DO_NOT_WAIT: Final = "SET LOCAL lock_timeout = '1s'"
_LOCK: Final = "LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"
_DETACH: Final = "ALTER TABLE journal DETACH PARTITION {name}; ALTER TABLE {name} RENAME TO {archived}"
_TAKE_ALL: Final = "INSERT INTO {archived} SELECT * FROM {name}; DROP TABLE {name}"
_TAKE_SOME: Final = """
WITH gone AS (DELETE FROM {name} WHERE applied_at < {ends} RETURNING *)
INSERT INTO {archived} SELECT * FROM gone
"""
_CLOSED: Final = """
INSERT INTO closed_month (starts_at, ends_at, table_name, row_count, openings, archive_sha256, closed_at)
VALUES (%s, %s, %s, %s, %s, decode(%s, 'hex'), %s)
"""
_DROPPED: Final = "UPDATE closed_month SET dropped_at = %s WHERE starts_at = %s"


class _StoppedError(Exception):
    """Somebody has asked us to stop; nothing is changed."""


class _Archive:
    """Takes the rows of a month in the order of their seals, and writes them to a file."""

    def __init__(self, file: Any, ends: list[tuple[int, int, int]]) -> None:
        self.rows = 0
        self.by_seal: dict[int, int] = {}
        self._file = file
        self._ends = iter(ends)
        self._seal_id, *self._end = next(self._ends, (0, MAX_INT64, MAX_INT64))
        self._sha256 = sha256()

    def write(self, line: bytes) -> None:
        """Take a row."""
        written_by, applied_at, _ = line.split(b"\t", 2)
        place = [int(written_by), int(applied_at)]
        while place >= self._end:
            self._seal_id, *self._end = next(self._ends)
        self.by_seal[self._seal_id] = self.by_seal.get(self._seal_id, 0) + 1
        self.rows += 1
        self._sha256.update(line)
        self._file.write(line)

    @property
    def sha256(self) -> str:
        """Of the whole file."""
        return self._sha256.hexdigest()


def close_month(
    connection: Any,
    month: Month,
    archive: Path,
    *,
    closed_before: Moment,
    order: Order,
    is_stopping: Callable[[], bool] = lambda: False,
) -> ClosedMonth | None:
    """Take a month that ended before `closed_before` out of the journal, and write it to `archive`.

    None if it was stopped.  Raises OperatorError if the month can not be closed; then nothing is changed.
    """
    for segment in check_seals(connection):
        if segment.violations:
            raise OperatorError(f"the journal is not what was sealed: {segment.violations[0].text}")
        if is_stopping():
            return None
    part = archive.with_name(f"{archive.name}.part")
    try:
        with connection, connection.cursor() as cursor:
            span = find_span(cursor, month, closed_before)
            written = _write_archive(cursor, span, part)
            cursor.execute(_BOUNDS)
            openings = write_openings(cursor, span.starts, span.ends)
            counts = written.by_seal
            cursor.execute(_ARCHIVED, [span.starts, list(counts), list(counts.values())])
            _prove(connection, cursor, span.ends, is_stopping)
            _put_in_place(part, archive, written.sha256)
            _detach(cursor, span)
            return _write_down(cursor, span, written, openings, order)
    except _StoppedError:
        return None
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def drop_month(connection: Any, month: Month, archive: Path, *, order: Order) -> ClosedMonth:
    """Drop the rows of a closed month, of which `archive` is a copy.  Raises OperatorError if it is not."""
    digest = _digest(archive)
    with connection, connection.cursor() as cursor:
        found = find_closed(cursor, month)
        if found is None:
            raise OperatorError(
                f"{month} is not closed: `swpt-accounts journal close-month {month}` does that"
            )
        if found.dropped_at is not None:
            raise OperatorError(f"{month} was dropped at {render_timestamp(found.dropped_at)}")
        if digest != found.archive_sha256:
            raise OperatorError(
                f"{archive} is not the archive of {month}: its SHA-256 is {digest}, and not"
                f" {found.archive_sha256}"
            )
        cursor.execute(f"DROP TABLE {found.table_name}")
        now = order.write_down(cursor, "journal drop-month", str(month), f"archive {found.archive_sha256}")
        cursor.execute(_DROPPED, [now, found.starts_at])
        return msgspec.structs.replace(found, dropped_at=now)


def _write_archive(cursor: Any, span: Span, part: Path) -> _Archive:
    """Write the rows of the month as they were sealed, and make sure that the disk has them."""
    cursor.execute(_SEALS, [span.ends])
    ends = cursor.fetchall()
    try:
        with part.open("wb") as file:
            written = _Archive(file, ends)
            cursor.copy_expert(_COPY.format(ends=span.ends), written)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OperatorError(f"{part} can not be written: {error.strerror}") from None
    return written


def _put_in_place(part: Path, archive: Path, digest: str) -> None:
    """Give the file its name, and make sure that the disk has it; another file of that name stays."""
    if archive.exists() and _digest(archive) != digest:
        raise OperatorError(f"{archive} is there already, and is something else: name another file")
    part.replace(archive)
    number = os.open(archive.parent, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _digest(archive: Path) -> str:
    try:
        with archive.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OperatorError(f"{archive} can not be read: {error.strerror}") from None


def _write_down(cursor: Any, span: Span, written: _Archive, openings: int, order: Order) -> ClosedMonth:
    detail = f"{written.rows} rows, archive {written.sha256}"
    closed = ClosedMonth(
        starts_at=span.starts,
        ends_at=span.ends,
        table_name=_archived(span.month),
        row_count=written.rows,
        openings=openings,
        archive_sha256=written.sha256,
        closed_at=order.write_down(cursor, "journal close-month", str(span.month), detail),
        dropped_at=None,
    )
    cursor.execute(_CLOSED, list(msgspec.structs.astuple(closed)[:-1]))
    return closed


def _prove(connection: Any, cursor: Any, since: Moment, is_stopping: Callable[[], bool]) -> None:
    """By the checks of `verify`, the books are right if the journal begins at `since`."""
    cursor.execute(_RESTORATIONS)
    restorations = [row[0] for row in cursor.fetchall()]
    cursor.execute(_DEBTORS)
    for (debtor_id,) in cursor.fetchall():
        if is_stopping():
            raise _StoppedError
        for text in _wrong(connection, debtor_id, since, restorations):
            raise OperatorError(f"without this month the books would not be right: {text}")


def _wrong(connection: Any, debtor_id: int, since: Moment, restorations: list[Moment]) -> Iterator[str]:
    for found in read_currency(connection, debtor_id, since):
        if found.created_at is not None:
            for one in violations(account_facts(debtor_id, found, since), restorations):
                if one.rule in _PROVED:
                    yield f"{one.rule}: account {one.creditor_id} of debtor {debtor_id}: {one.text}"


def _archived(month: Month) -> str:
    return month.name.replace("journal_", "journal_archived_")


def _detach(cursor: Any, span: Span) -> None:
    """Take the month out of the journal at a moment at which nobody uses it for long.

    What a wrong clock has written there meanwhile would be lost.
    """
    cursor.execute(_DO_NOT_WAIT)
    for _ in range(_MOST_TRIES):
        cursor.execute("SAVEPOINT before_locks")
        try:
            cursor.execute(_LOCK.format(names=", ".join([span.month.name, *span.others])))
            if has_unsealed(cursor, span.ends, span.place):
                raise OperatorError(
                    f"somebody has written into {span.month} just now: is a clock wrong? Try again"
                )
            _take_out(cursor, span)
        except LockNotAvailable:
            cursor.execute("ROLLBACK TO SAVEPOINT before_locks")
            sleep(_PAUSE_SECONDS)
        else:
            return
    raise OperatorError(
        "the journal is in use for long, by a backup or a report: nothing of it is changed; try again later"
    )


def _take_out(cursor: Any, span: Span) -> None:
    """The partition of the month, and with it what a wrong clock has written before."""
    archived = _archived(span.month)
    cursor.execute(_DETACH.format(name=span.month.name, archived=archived))
    for name in span.others:
        take = _TAKE_SOME if name == DEFAULT else _TAKE_ALL
        cursor.execute(take.format(name=name, archived=archived, ends=span.ends))
