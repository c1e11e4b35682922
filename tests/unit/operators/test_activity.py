"""How many things happened in a minute of which only the first were counted."""

import pytest

from swpt_accounts.operators.inspection.activity import MOST_COUNTED, estimate
from tests.backstage.builders import NOW, SECOND


@pytest.mark.parametrize(
    ("counted", "last_after", "now_after", "number", "is_estimated"),
    [
        # all of them were counted
        (0, None, 600, 0, False),
        (999, 59, 600, 999, False),
        # 1,000 in half of a minute that is over: 2,000
        (MOST_COUNTED, 30, 600, 2000, True),
        (MOST_COUNTED, 30, 60, 2000, True),
        # the current minute counts up to now, not to its end
        (MOST_COUNTED, 10, 10, 1000, True),
        (MOST_COUNTED, 10, 15, 1500, True),
        # the writer's clock is ahead of ours
        (MOST_COUNTED, 10, 9, 1000, True),
        (MOST_COUNTED, 10, -1, 1000, True),
        # all in the first instant
        (MOST_COUNTED, 0, 600, 1000, True),
    ],
)
def test_a_busy_minute_is_estimated_up_to_now(counted, last_after, now_after, number, is_estimated):
    """The first rows show how fast they came, and nothing is shown about the future."""
    last = None if last_after is None else NOW + last_after * SECOND
    rate = estimate(NOW, counted, last, NOW + now_after * SECOND)
    assert (rate.at, rate.number, rate.is_estimated) == (NOW, number, is_estimated)
