"""Who guesses has to wait for a minute, by whatever clock."""

import time

import pytest

from swpt_accounts.operators.admin.throttle import FAILURES_PER_MINUTE, Throttle


@pytest.fixture
def throttle(monkeypatch):
    """A throttle on a clock that is moved by `throttle.wait`."""
    offset, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])

    class Moved(Throttle):
        def wait(self, seconds: float) -> None:
            offset[0] += seconds

    return Moved(lambda: round(time.time() * 1e6))


def fail(throttle: Throttle) -> None:
    """Guess too often."""
    for number in range(FAILURES_PER_MINUTE):
        assert not throttle.is_exhausted("somebody")
        throttle.note("somebody", f"guess {number}")
    assert throttle.is_exhausted("somebody")
    assert not throttle.is_exhausted("somebody else")


def test_who_fails_too_often_waits_for_a_minute(throttle):
    """And may then try again."""
    fail(throttle)
    throttle.wait(59)
    assert throttle.is_exhausted("somebody")
    throttle.wait(2)
    assert not throttle.is_exhausted("somebody")


@pytest.mark.parametrize("days", [1, 100, 36500])
def test_a_clock_that_is_set_back_locks_nobody_out(throttle, days):
    """Failures from ahead of the clock would count until then."""
    throttle.wait(days * 86400)
    fail(throttle)
    throttle.wait(-days * 86400)
    assert not throttle.is_exhausted("somebody")
    fail(throttle)
    throttle.wait(61)
    assert not throttle.is_exhausted("somebody")
