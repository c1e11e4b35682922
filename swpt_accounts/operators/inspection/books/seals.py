"""Checks the seals of the journal, and shows them (rule V16, rules.md#seals).

Each segment is read in a transaction of its own: its rows never change, so that no snapshot has to last.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from zlib import crc32

import msgspec

from swpt_accounts.operators.inspection.closed_months import count_archived_rows
from swpt_accounts.rules.invariants import Violation
from swpt_accounts.rules.seal import Seal, broken_link
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.sealed_rows import (
    copy_segment,
    digest_segment,
    read_after,
    read_last,
    read_marks,
)
from swpt_accounts.wire.moments import render_timestamp

_PAGE: Final = 100
_MOST_NAMED: Final = 10

_BEFORE_ALL: Final = "SELECT count(*) FROM journal WHERE written_by < 0"


class SealedSegment(msgspec.Struct, frozen=True):
    """A seal, and what is wrong with it or its rows."""

    seal: Seal
    violations: list[Violation]


def newest_seal(connection: Any) -> Seal | None:
    """The newest seal, which says all about the journal up to it."""
    with connection, connection.cursor() as cursor:
        return read_last(cursor)


def list_seals(connection: Any, after: int = 0) -> Iterator[Seal]:
    """All seals after one of them, the oldest first."""
    while True:
        with connection, connection.cursor() as cursor:
            seals = read_after(cursor, after, _PAGE)
        if not seals:
            return
        yield from seals
        after = seals[-1].seal_id


def write_segment(connection: Any, seal_id: int, stream: Any) -> None:
    """Write the rows of a segment as they were sealed.  Raises OperatorError if there is no such seal."""
    with connection, connection.cursor() as cursor:
        seals = read_after(cursor, seal_id - 1, 1)
        if not seals or seals[0].seal_id != seal_id:
            raise OperatorError(f"there is no seal {seal_id}")
        copy_segment(cursor, seals[0].begins, seals[0].ends, stream)


def check_seals(connection: Any) -> Iterator[SealedSegment]:
    """Compute every seal anew, the oldest first."""
    last: Seal | None = None
    for seal in list_seals(connection):
        with connection, connection.cursor() as cursor:
            if last is None:
                cursor.execute(_BEFORE_ALL)
                strangers = cursor.fetchone()[0]
            else:
                strangers = 0
            violations = [_wrong(seal, f"{strangers} rows stand before all")] if strangers else []
            if (why := broken_link(last, seal)) is not None:
                violations.append(_wrong(seal, why))
            violations += [_wrong(seal, text) for text in _wrong_rows(cursor, seal)]
        yield SealedSegment(seal, violations)
        last = seal


def _wrong(seal: Seal, text: str) -> Violation:
    """Rule V16."""
    return Violation("V16", None, None, f"seal {seal.seal_id} of {render_timestamp(seal.sealed_at)}: {text}")


def _wrong_rows(cursor: Any, seal: Seal) -> Iterator[str]:
    """What is wrong with the rows that are left of a segment; those of closed months are in archives."""
    archived = count_archived_rows(cursor, seal.seal_id)
    digest = digest_segment(cursor, seal.begins, seal.ends)
    if archived == 0 and (digest.rows, digest.sha256) == (seal.rows, seal.rows_sha256):
        return
    if archived == seal.rows and digest.rows == 0:
        return
    marks = read_marks(cursor, seal.seal_id)
    taker = _Strangers(marks)
    copy_segment(cursor, seal.begins, seal.ends, taker)
    named = [f"the entry {key} was changed or inserted" for key in taker.strangers[:_MOST_NAMED]]
    gone = sum(taker.expected.values()) - archived
    if archived and gone == 0 and not named:
        return
    if gone:
        named.append(f"{gone} rows are not there as they were sealed")
    told = f" of which {archived} were archived" if archived else ""
    yield f"{digest.rows} rows, sealed were {seal.rows}{told}: " + (
        "; ".join(named) or "the same rows, but not the same seal"
    )


class _Strangers:
    """Takes the rows of a segment, and keeps those that were not sealed."""

    def __init__(self, marks: list[int]) -> None:
        self.expected = Counter(marks)
        self.strangers: list[str] = []

    def write(self, line: bytes) -> None:
        mark = crc32(line)
        if self.expected[mark] > 0:
            self.expected[mark] -= 1
            return
        _, applied_at, journal_id, debtor_id, sender_id, recipient_id, *_ = line.decode().split("\t")
        self.strangers.append(
            f"{journal_id} of {render_timestamp(int(applied_at))}"
            f" ({debtor_id}: {sender_id} to {recipient_id})"
        )
