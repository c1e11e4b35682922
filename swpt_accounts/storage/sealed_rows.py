"""The rows of a segment of the journal in their canonical form, and the seals themselves.

A row is canonical as a line of PostgreSQL's COPY in the format "text": its columns in the order below,
separated by tabs, with `\\N` for none, and backslashes before what would be taken for a separator.  The rows
of a segment come in the order of their places and ids.
"""

# ruff: noqa: SIM905 - the list is long.

import re
from hashlib import sha256
from typing import Any, Final
from zlib import crc32

from swpt_accounts.rules.seal import Place, Seal

COLUMNS: Final = (
    "written_by applied_at journal_id debtor_id sender_creditor_id recipient_creditor_id amount"
    " sender_principal recipient_principal sender_created_at recipient_created_at sender_transfer_number"
    " recipient_transfer_number committed_at transfer_id coordinator_id coordinator_request_id"
    " coordinator_type transfer_note_format transfer_note"
).split()

# The first condition is for the index, the second says the same exactly.
_WITHIN: Final = (
    "written_by BETWEEN {begins.written_by} AND {ends.written_by}"
    " AND (written_by, applied_at) >= ({begins.written_by}, {begins.applied_at})"
    " AND (written_by, applied_at) < ({ends.written_by}, {ends.applied_at})"
)
# So that only the months are read that can hold such rows.
_SAME_WRITER: Final = " AND applied_at >= {begins.applied_at} AND applied_at < {ends.applied_at}"

_COPY: Final = (
    f"COPY (SELECT {', '.join(COLUMNS)} FROM journal WHERE {{within}}"  # noqa: S608 - constants only
    " ORDER BY written_by, applied_at, journal_id) TO STDOUT"
)

_SEAL_COLUMNS: Final = (
    "seal_id, begins_written_by, begins_applied_at, ends_written_by, ends_applied_at, row_count,"
    " encode(rows_sha256, 'hex'), sealed_at, encode(previous_sha256, 'hex'), encode(sha256, 'hex')"
)
_LAST: Final = f"SELECT {_SEAL_COLUMNS} FROM seal ORDER BY seal_id DESC LIMIT 1"  # noqa: S608
_AFTER: Final = f"SELECT {_SEAL_COLUMNS} FROM seal WHERE seal_id > %s ORDER BY seal_id LIMIT %s"  # noqa: S608
_MARKS: Final = "SELECT marks FROM seal WHERE seal_id = %s"

_WRITE: Final = """
INSERT INTO seal (seal_id, begins_written_by, begins_applied_at, ends_written_by, ends_applied_at,
    row_count, rows_sha256, sealed_at, previous_sha256, sha256, marks)
VALUES (%s, %s, %s, %s, %s, %s, decode(%s, 'hex'), %s, decode(%s, 'hex'), decode(%s, 'hex'), %s)
"""

# The number of a transaction as rows show it: a database that was moved to another server, which counts
# from another number, adds so many.
_DEFAULT: Final = """
SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a
JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = 'journal'::regclass AND a.attname = 'written_by'
"""
_ADDED: Final = re.compile(r"\+ '?\(?(-?\d+)\)?'?")
_OLDEST_RUNNING: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8"
_SET_DEFAULT: Final = (
    "ALTER TABLE journal ALTER COLUMN written_by SET DEFAULT (pg_current_xact_id()::text::bigint + {added})"
)
_GREATEST: Final = "SELECT coalesce(max(written_by), 0) FROM journal WHERE written_by >= %s"

MARK_BYTES: Final = 4


class SegmentDigest:
    """Takes the rows of a segment one by one, as COPY hands them out."""

    def __init__(self) -> None:
        self.rows = 0
        self._sha256 = sha256()
        self._marks: list[int] = []

    def write(self, line: bytes) -> None:
        """Take a row."""
        self.rows += 1
        self._sha256.update(line)
        self._marks.append(crc32(line))

    @property
    def sha256(self) -> str:
        """The SHA-256 of all rows."""
        return self._sha256.hexdigest()

    @property
    def marks(self) -> bytes:
        """A few bytes for each row, which tell rows from each other that were changed since."""
        return b"".join(mark.to_bytes(MARK_BYTES, "big") for mark in self._marks)


def copy_segment(cursor: Any, begins: Place, ends: Place, taker: Any) -> None:
    """Write the rows between two places into something with a `write`, one line at a time."""
    cursor.copy_expert(_COPY.format(within=within(begins, ends)), taker)


def within(begins: Place, ends: Place) -> str:
    """The SQL condition for the rows between two places."""
    condition = _WITHIN + (_SAME_WRITER if begins.written_by == ends.written_by else "")
    return condition.format(begins=begins, ends=ends)


def digest_segment(cursor: Any, begins: Place, ends: Place) -> SegmentDigest:
    """The rows between two places, digested."""
    digest = SegmentDigest()
    copy_segment(cursor, begins, ends, digest)
    return digest


def finished_place(cursor: Any) -> Place:
    """The place before which nothing can be written any more: all transactions that would have are over."""
    added = _added(cursor)
    cursor.execute(_OLDEST_RUNNING)
    return Place(cursor.fetchone()[0] + added)


def _added(cursor: Any) -> int:
    cursor.execute(_DEFAULT)
    found = _ADDED.search(cursor.fetchone()[0])
    return int(found[1]) if found else 0


def go_on_counting(cursor: Any) -> bool:
    """Let new rows go on from the last seal in a database that was moved to a server that counts lower.

    Says whether there was need to.  The session must own the tables.
    """
    last = read_last(cursor)
    if last is None or finished_place(cursor) >= last.ends:
        return False
    cursor.execute(_GREATEST, [last.ends.written_by])
    greatest = max(cursor.fetchone()[0], last.ends.written_by)
    cursor.execute(_OLDEST_RUNNING)
    cursor.execute(_SET_DEFAULT.format(added=greatest + 1 - cursor.fetchone()[0]))
    return True


def _seal(row: Any) -> Seal:
    seal_id, begins, begins_at, ends, ends_at, rows, rows_sha256, sealed_at, previous, own = row
    return Seal(
        seal_id=seal_id,
        begins=Place(begins, begins_at),
        ends=Place(ends, ends_at),
        rows=rows,
        rows_sha256=rows_sha256,
        sealed_at=sealed_at,
        previous=previous,
        sha256=own,
    )


def read_last(cursor: Any) -> Seal | None:
    """The newest seal, if there is one."""
    cursor.execute(_LAST)
    row = cursor.fetchone()
    return None if row is None else _seal(row)


def read_after(cursor: Any, seal_id: int, limit: int) -> list[Seal]:
    """The seals after one of them."""
    cursor.execute(_AFTER, [seal_id, limit])
    return [_seal(row) for row in cursor.fetchall()]


def read_marks(cursor: Any, seal_id: int) -> list[int]:
    """The marks of the rows of a segment, when it was sealed."""
    cursor.execute(_MARKS, [seal_id])
    marks = bytes(cursor.fetchone()[0])
    return [
        int.from_bytes(marks[start : start + MARK_BYTES], "big") for start in range(0, len(marks), MARK_BYTES)
    ]


def write_seal(cursor: Any, seal: Seal, marks: bytes) -> None:
    """Store a new seal."""
    begins, ends = seal.begins, seal.ends
    places = [begins.written_by, begins.applied_at, ends.written_by, ends.applied_at]
    hashes = [seal.rows, seal.rows_sha256, seal.sealed_at, seal.previous, seal.sha256]
    cursor.execute(_WRITE, [seal.seal_id, *places, *hashes, marks])
