"""When periodic work is late, and by how much: one answer for the metric, the API, pages and tables.

Pure.  Work is in time while its period, counted from its last start, is not over, and a pass while it
goes on for less than its period, however quick the pass before was.
"""

from typing import Final

from swpt_accounts.wire.moments import MICROSECONDS, Moment

NOTED_SECONDS: Final = 30.0
"""Work that comes more often than this is written down only so often."""

TOLERANCE_SECONDS: Final = 30.0
"""Healthy work may begin so much after its time: it waits for the next look, and for the turns of others."""


def lag_seconds(started_at: Moment | None, period_seconds: float, now: Moment) -> float:
    """How long ago work was to be begun again, or its pass to be finished; 0 if it is in time.

    `started_at` is the start of the pass at hand, or else of what was done last; None if nobody began yet.
    """
    if started_at is None:
        return 0.0
    lag = (now - started_at) / MICROSECONDS - max(period_seconds, NOTED_SECONDS)
    return lag if lag > TOLERANCE_SECONDS else 0.0
