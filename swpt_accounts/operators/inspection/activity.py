"""What happened lately: the last transfers, and how many things happened in each minute of an hour.

There is no table of rates.  Keys begin with moments, so the rows of a minute stand together; of a
minute with very many the first say how fast they came.
"""

from typing import Any, Final

import msgspec

from swpt_accounts.storage.arrays import int_array
from swpt_accounts.wire.moments import MICROSECONDS, Moment

from .ledger import JOURNAL_ROW, LedgerEntry, sender_entry

MINUTES: Final = 60
MOST_COUNTED: Final = 1_000
"""How many rows of a minute are counted; with more of them their number is estimated."""

_MINUTE: Final = 60 * MICROSECONDS

_LATEST: Final = f"""
SELECT {JOURNAL_ROW} FROM journal ORDER BY applied_at DESC, journal_id DESC LIMIT %(limit)s
"""  # noqa: S608 - constants only

_COUNT: Final = f"""
SELECT m.at, c.number, c.last
FROM unnest(CAST(%(minutes)s AS int8[])) AS m (at)
CROSS JOIN LATERAL (
    SELECT count(*) AS number, max(happened_at) AS last FROM (
        SELECT {{column}} AS happened_at FROM {{table}}
        WHERE {{column}} >= m.at AND {{column}} < m.at + {_MINUTE}
        ORDER BY {{column}} LIMIT {MOST_COUNTED}) AS first) AS c
ORDER BY m.at
"""  # noqa: S608 - constants only

_TRANSFERS: Final = _COUNT.format(table="journal", column="applied_at")
_REFUSALS: Final = _COUNT.format(table="refusal", column="refused_at")


class Rate(msgspec.Struct, frozen=True):
    """How many things happened in the minute that begins at `at`; up to now, if it is the current one."""

    at: Moment
    number: int
    is_estimated: bool


def latest_transfers(connection: Any, limit: int) -> list[LedgerEntry]:
    """The last transfers of the journal, newest first, as their senders see them."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_LATEST, {"limit": limit})
        return [sender_entry(row) for row in cursor.fetchall()]


def transfer_rates(connection: Any, now: Moment) -> list[Rate]:
    """Transfers committed in each minute of the last hour."""
    return _rates(connection, _TRANSFERS, now)


def refusal_rates(connection: Any, now: Moment) -> list[Rate]:
    """Requests refused in each minute of the last hour."""
    return _rates(connection, _REFUSALS, now)


def _rates(connection: Any, query: str, now: Moment) -> list[Rate]:
    this_minute = now - now % _MINUTE
    minutes = [this_minute - number * _MINUTE for number in range(MINUTES)]
    with connection, connection.cursor() as cursor:
        cursor.execute(query, {"minutes": int_array(minutes)})
        return [estimate(at, number, last, now) for at, number, last in cursor.fetchall()]


def estimate(at: Moment, number: int, last: Moment | None, now: Moment) -> Rate:
    """The rate of the minute at `at`, from the number of its first rows and the moment of their last one."""
    # All rows in the first instant would say nothing about the rest of the minute.
    if last is None or number < MOST_COUNTED or last <= at:
        return Rate(at, number, number >= MOST_COUNTED)
    # Of the current minute nobody knows the rest; the clock of those who wrote may be ahead of ours.
    passed = max(last - at, min(now - at, _MINUTE))
    return Rate(at, round(number * passed / (last - at)), True)
