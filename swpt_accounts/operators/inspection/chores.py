"""How the chores go: their diary, and how late they are."""

from typing import Any, Final

import msgspec

from swpt_accounts.runtime import lateness
from swpt_accounts.wire.moments import Moment

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
        """How late the chore is (see `lateness`); 0 if it is in time."""
        started_at = self.last_started_at if self.pass_started_at is None else self.pass_started_at
        return lateness.lag_seconds(started_at, self.period_seconds, now)


def list_chores(connection: Any) -> list[ChoreState]:
    """All chores that a process has ever taken up, by name."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_LIST)
        return [ChoreState(*row) for row in cursor.fetchall()]
