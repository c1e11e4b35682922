"""What happened lately: the last transfers, and how many things happened in each part of a span.

There is no table of rates.  Keys begin with moments, so the rows of a part stand together; of one with
very many the first say how fast they came.
"""

from typing import Any, Final

import msgspec

from swpt_accounts.storage.arrays import int_array
from swpt_accounts.wire.moments import MICROSECONDS, Moment

from .ledger import JOURNAL_ROW, LedgerEntry, sender_entry

MOST_COUNTED: Final = 1_000
"""How many rows of a part are counted; with more of them their number is estimated."""

_MINUTE: Final = 60 * MICROSECONDS


class Span(msgspec.Struct, frozen=True):
    """So many parts of so many microseconds, up to now."""

    parts: int
    length: int
    part_name: str


SPANS: Final = {
    "hour": Span(60, _MINUTE, "minute"),
    "day": Span(96, 15 * _MINUTE, "quarter of an hour"),
    "week": Span(84, 120 * _MINUTE, "two hours"),
}
"""What can be looked at."""

_LATEST: Final = f"""
SELECT {JOURNAL_ROW} FROM journal ORDER BY applied_at DESC, journal_id DESC LIMIT %(limit)s
"""  # noqa: S608 - constants only

_COUNT: Final = f"""
SELECT m.at, c.number, c.last
FROM unnest(CAST(%(begins)s AS int8[])) AS m (at)
CROSS JOIN LATERAL (
    SELECT count(*) AS number, max(happened_at) AS last FROM (
        SELECT {{column}} AS happened_at FROM {{table}}
        WHERE {{column}} >= m.at AND {{column}} < m.at + %(length)s
        ORDER BY {{column}} LIMIT {MOST_COUNTED}) AS first) AS c
ORDER BY m.at
"""  # noqa: S608 - constants only

_TRANSFERS: Final = _COUNT.format(table="journal", column="applied_at")
_REFUSALS: Final = _COUNT.format(table="refusal", column="refused_at")


class Rate(msgspec.Struct, frozen=True):
    """How many things happened in the part that begins at `at`; up to now, if it is the current one."""

    at: Moment
    number: int
    is_estimated: bool


def latest_transfers(connection: Any, limit: int) -> list[LedgerEntry]:
    """The last transfers of the journal, newest first, as their senders see them."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_LATEST, {"limit": limit})
        return [sender_entry(row) for row in cursor.fetchall()]


def transfer_rates(connection: Any, now: Moment, span: Span = SPANS["hour"]) -> list[Rate]:
    """Transfers committed in each part of the span."""
    return _rates(connection, _TRANSFERS, now, span)


def refusal_rates(connection: Any, now: Moment, span: Span = SPANS["hour"]) -> list[Rate]:
    """Requests refused in each part of the span."""
    return _rates(connection, _REFUSALS, now, span)


def _rates(connection: Any, query: str, now: Moment, span: Span) -> list[Rate]:
    last_part = now - now % span.length
    begins = [last_part - number * span.length for number in range(span.parts)]
    with connection, connection.cursor() as cursor:
        cursor.execute(query, {"begins": int_array(begins), "length": span.length})
        return [estimate(at, number, last, now, span.length) for at, number, last in cursor.fetchall()]


def estimate(at: Moment, number: int, last: Moment | None, now: Moment, length: int = _MINUTE) -> Rate:
    """The rate of the part at `at`, from the number of its first rows and the moment of their last one."""
    # All rows in the first instant would say nothing about the rest of it.
    if last is None or number < MOST_COUNTED or last <= at:
        return Rate(at, number, number >= MOST_COUNTED)
    # Of the current one nobody knows the rest; the clock of those who wrote may be ahead of ours.
    passed = max(last - at, min(now - at, length))
    return Rate(at, round(number * passed / (last - at)), True)


# -- what waits for somebody: the numbers beside the names of pages ------------------------------

MOST_WAITING: Final = 1_000
"""So many are counted of each; that number means "so many or more"."""

_HOUR: Final = 3600 * MICROSECONDS

_COUNT_WAITING: Final = f"""
SELECT
    (SELECT count(*) FROM (SELECT FROM dead_letter WHERE state = 'open' LIMIT {MOST_WAITING}) AS first),
    (SELECT count(*) FROM (SELECT FROM outbox WHERE publisher_key IS NULL LIMIT {MOST_WAITING}) AS first),
    (SELECT count(*) FROM (SELECT FROM refusal WHERE refused_at >= %s LIMIT {MOST_WAITING}) AS first),
    (SELECT count(*) FROM (SELECT FROM waiting_request LIMIT {MOST_WAITING}) AS first)
"""  # noqa: S608 - constants only


class Counts(msgspec.Struct, frozen=True):
    """Open dead letters, rows left to the relay, refusals of the last hour, and what waits for a shard."""

    dead_letters: int
    outbox: int
    refusals: int
    requests: int


def count_waiting(connection: Any, now: Moment) -> Counts:
    """Count what is waiting now, in some milliseconds however much there is."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_COUNT_WAITING, [now - _HOUR])
        return Counts(*cursor.fetchone())
