"""How long an event waits for its next publication (rule O4)."""

import pytest

from swpt_accounts.broker.settlement import Reason
from swpt_accounts.storage.outbox.publishing import RetryDelays


@pytest.mark.parametrize(
    ("least", "most", "attempts", "reason", "pause"),
    [
        (1.0, 300.0, 1, "returned", 1.0),
        (1.0, 300.0, 2, "returned", 2.0),
        (1.0, 300.0, 9, "nacked", 256.0),
        (1.0, 300.0, 10, "nacked", 300.0),
        (1.0, 300.0, 1000, "returned", 300.0),
        (1.0, 300.0, 4, "unanswered", 8.0),
        (1.0, 300.0, 1000, "unanswered", 10.0),
        (1.0, 5.0, 1000, "unanswered", 5.0),
        (60.0, 300.0, 1, "unanswered", 60.0),
        (60.0, 300.0, 1000, "unanswered", 60.0),
    ],
)
def test_the_pause_doubles_between_its_limits(
    least: float, most: float, attempts: int, reason: Reason, pause: float
):
    """Somewhere between a half of it and the whole; an outage does not make it long (rule O4)."""
    drawn = [RetryDelays(least, most).draw(attempts, reason) for _ in range(100)]
    assert 0.5 * pause <= min(drawn) < max(drawn) <= pause
