"""How the chores go: their diary, and how late they are."""

from typing import Any, Final

import msgspec

from swpt_accounts.moments import MICROSECONDS, Moment

_LIST: Final = """
SELECT name, period_seconds, pass_started_at, pass_rows, pass_seconds, last_started_at, last_finished_at,
    last_rows, last_seconds, requested_at
FROM chore ORDER BY name
"""


class ChoreState(msgspec.Struct, frozen=True):
    """A chore in the diary (see `operator_models.ChoreRecord`)."""

    name: str
    period_seconds: float
    pass_started_at: Moment | None
    pass_rows: int
    pass_seconds: float
    last_started_at: Moment | None
    last_finished_at: Moment | None
    last_rows: int
    last_seconds: float
    requested_at: Moment | None

    def lag_seconds(self, now: Moment) -> float:
        """How long ago the chore was to be finished again; 0 if it is in time.

        An errand is written down at most every half a minute, however often it is done.
        """
        if self.last_finished_at is None:
            started = self.pass_started_at
            return 0.0 if started is None else max(0.0, (now - started) / MICROSECONDS - self.period_seconds)
        return max(0.0, (now - self.last_finished_at) / MICROSECONDS - max(self.period_seconds, 30.0))


def list_chores(connection: Any) -> list[ChoreState]:
    """All chores that a process has ever taken up, by name."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_LIST)
        return [ChoreState(*row) for row in cursor.fetchall()]
