"""Event loops in the time of a world."""

import pytest

from simulation.loops import SteppedLoop


@pytest.mark.parametrize("seconds", [0.0, 1e7, 1e9])
def test_what_is_due_now_happens_now_also_after_months(seconds):
    """A call for this moment is made in this turn, however many seconds have passed in the world."""
    loop = SteppedLoop(lambda: seconds)
    made: list[str] = []
    loop.call_at(seconds, made.append, "call")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert made == ["call"]
