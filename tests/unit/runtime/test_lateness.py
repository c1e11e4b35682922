"""When a chore is late: tables of periods and starts."""

import pytest

from swpt_accounts.operators.inspection.chores import ChoreState
from swpt_accounts.runtime.lateness import lag_seconds
from tests.backstage.builders import NOW, SECOND


@pytest.mark.parametrize(
    ("period_seconds", "started_ago", "lag"),
    [
        # within the period; a moment after it, when the others had their turns
        (3600.0, 0.0, 0.0),
        (3600.0, 3600.0, 0.0),
        (3600.0, 3600.4, 0.0),
        (3600.0, 3630.0, 0.0),
        # then it is late by all that is beyond its time
        (3600.0, 3631.0, 31.0),
        (3600.0, 4000.0, 400.0),
        # what is written down twice a minute only
        (0.5, 33.0, 0.0),
        (1.0, 60.0, 0.0),
        (0.5, 61.0, 31.0),
        (30.0, 330.0, 300.0),
        # the clock was set back
        (0.5, -100.0, 0.0),
        (3600.0, -100.0, 0.0),
    ],
)
def test_work_is_late_when_its_time_is_clearly_over(period_seconds, started_ago, lag):
    """Up to half a minute is no delay; beyond, all of it counts."""
    assert lag_seconds(NOW - int(started_ago * SECOND), period_seconds, NOW) == lag


def test_work_that_nobody_has_begun_is_not_late():
    """There is no moment to count from."""
    assert lag_seconds(None, 0.5, NOW) == 0.0


@pytest.mark.parametrize(
    ("last_started_ago", "last_took", "pass_started_ago", "lag"),
    [
        # between two passes, the second of them overdue
        (3000, 100, None, 0),
        (4000, 100, None, 400),
        # in a pass that is slower than the one before, but within its period
        (3700, 100, 100, 0),
        (7000, 100, 3400, 0),
        # in a pass that is slower than its period
        (9000, 100, 4000, 400),
        # the first pass of all
        (None, 0, 3000, 0),
        (None, 0, 4000, 400),
        # nobody has begun
        (None, 0, None, 0),
    ],
)
def test_a_pass_is_late_by_its_own_period(last_started_ago, last_took, pass_started_ago, lag):
    """Whether the pass before was quick or slow is no matter."""

    def ago(seconds):
        return None if seconds is None else NOW - seconds * SECOND

    state = ChoreState(
        name="tend accounts",
        period_seconds=3600.0,
        pass_started_at=ago(pass_started_ago),
        pass_rows=0,
        pass_seconds=0.0,
        last_started_at=ago(last_started_ago),
        last_finished_at=None if last_started_ago is None else ago(last_started_ago - last_took),
        last_rows=0,
        last_seconds=float(last_took),
        requested_at=None,
    )
    assert state.lag_seconds(NOW) == lag
