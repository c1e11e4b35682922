"""Chore: seals what is new in the journal, when nothing can be added to it any more (rules.md#seals).

A transaction that began earlier may commit later, and its moments and ids say nothing of that.  So rows are
sealed in the order of the numbers of the transactions that have written them, up to the oldest one that
still runs.  Nobody waits for it, and it waits for nobody.
"""

from logging import getLogger
from typing import Any, Final

from swpt_accounts.rules.seal import BEGINNING, Place, next_seal
from swpt_accounts.storage.sealed_rows import (
    digest_segment,
    finished_place,
    read_last,
    within,
    write_seal,
)

from .chore import StepContext

PERIOD_SECONDS: Final = 10.0

MOST_ROWS: Final = 10_000
"""Where a segment is cut, between transactions or moments."""

# So many transactions are looked at first; most write no transfers.
_FIRST_SPAN: Final = 1024

_TAKE_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtext('swpt_accounts seal journal'))"

# A read of the newest months by the index.
_COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM journal WHERE {within} LIMIT {limit}) AS found"
_CUT_OLD: Final = """
SELECT applied_at FROM journal WHERE written_by = 0 AND applied_at >= {begins.applied_at}
ORDER BY applied_at OFFSET {offset} LIMIT 1
"""

_logger: Final = getLogger(__name__)


def seal_journal(context: StepContext) -> int:
    """Seal one segment; how many rows it has."""
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_TAKE_TURN)
        if not cursor.fetchone()[0]:
            return 0
        last = read_last(cursor)
        begins, finished = BEGINNING if last is None else last.ends, finished_place(cursor)
        if finished < begins:
            _logger.error(
                "ALARM: transactions are counted from a lower number than the journal was sealed with: if the"
                " database was moved to another server, run `swpt-accounts configure`"
            )
            return 0
        ends = _find_end(cursor, begins, finished)
        if ends is None:
            return 0
        digest = digest_segment(cursor, begins, ends)
        seal = next_seal(last, ends, digest.rows, digest.sha256, context.transaction.clock())
        write_seal(cursor, seal, digest.marks)
    _logger.info("The journal is sealed: seal %d, %d rows, %s", seal.seal_id, seal.rows, seal.sha256)
    return seal.rows


def _find_end(cursor: Any, begins: Place, finished: Place) -> Place | None:
    """Where a segment of a fitting size ends; None if there is nothing to be sealed."""
    if begins.written_by == 0:
        cursor.execute(_CUT_OLD.format(begins=begins, offset=MOST_ROWS))
        if (found := cursor.fetchone()) is not None:
            return Place(0, max(found[0], begins.applied_at + 1))
    span = _FIRST_SPAN
    while True:
        ends = min(Place(begins.written_by + span), finished)
        if begins >= ends:
            return None
        rows = _count(cursor, begins, ends)
        if rows > MOST_ROWS:
            return _cut(cursor, begins, ends)
        if rows > 0:
            return ends
        if ends == finished:
            return None
        span *= 4


def _count(cursor: Any, begins: Place, ends: Place) -> int:
    cursor.execute(_COUNT.format(within=within(begins, ends), limit=MOST_ROWS + 1))
    return int(cursor.fetchone()[0])


def _cut(cursor: Any, begins: Place, ends: Place) -> Place:
    """The last place with at most so many rows before it; all rows of a transaction stay together.

    To count a few rows again and again takes less than to sort all that wait.
    """
    few, many = begins.written_by, ends.written_by
    while many - few > 1:
        middle = (few + many) // 2
        if _count(cursor, begins, Place(middle)) > MOST_ROWS:
            many = middle
        else:
            few = middle
    return Place(max(few, begins.written_by + 1))
