"""The pace of a chore: short steps, long rests, and none for who is late."""

import pytest

from swpt_accounts.roles.chores.pace import Pace


def test_a_rest_is_several_times_as_long_as_the_step():
    """Whoever works slowly, because the machine is busy, rests long."""
    assert Pace().rest_after(0.01, is_late=False) >= 3 * 0.01
    assert Pace().rest_after(1.0, is_late=False) == 100 * Pace().rest_after(0.01, is_late=False)


def test_who_is_late_does_not_rest():
    """Then the work counts more than what it does to others, and bigger steps are cheaper."""
    pace = Pace()
    before = pace.rows
    assert pace.rest_after(1.0, is_late=True) == 0
    assert pace.rows > before


@pytest.mark.parametrize("milliseconds_per_row", [0.1, 0.25, 1.0])
def test_steps_become_as_long_as_they_should_be(milliseconds_per_row):
    """However fast the machine is, a step takes about the same time after some steps."""
    pace, taken = Pace(), []
    for _ in range(10):
        seconds = pace.rows * milliseconds_per_row / 1000
        taken.append(seconds)
        pace.rest_after(seconds, is_late=False)
    assert taken[-1] == pytest.approx(0.02, rel=0.05)


def test_a_step_has_at_least_some_rows_and_at_most_many():
    """A step that hangs does not stop the pass, and one that finds nothing to do is not endless."""
    slow, fast = Pace(), Pace()
    for _ in range(10):
        assert slow.rest_after(3600.0, is_late=False) <= 60
        fast.rest_after(0.0, is_late=False)
    assert slow.rows >= 10
    assert fast.rows <= 1000


def test_one_slow_step_says_little():
    """The next one is half as big, not a hundredth."""
    pace = Pace()
    before = pace.rows
    pace.rest_after(5.0, is_late=False)
    assert pace.rows == before / 2
