"""Recipients that have said yes are remembered for ten seconds at most (rules.md#reachable-recipients)."""

from time import monotonic

import pytest

from swpt_accounts.transactions import reachable_memory
from swpt_accounts.transactions.reachable_memory import ReachableMemory

A, B = (1, 2), (3, -4)


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that a test moves."""

    class Clock:
        seconds = monotonic()

    monkeypatch.setattr(reachable_memory, "monotonic", lambda: Clock.seconds)
    return Clock


@pytest.mark.parametrize(
    ("asked_ago", "lasts", "passed", "is_known"),
    [
        (0.0, 10.0, 0.0, True),
        (0.0, 10.0, 9.9, True),
        (0.0, 10.0, 10.0, False),
        # it counts from the question
        (4.0, 10.0, 5.9, True),
        (4.0, 10.0, 6.0, False),
        # a shard may allow less, and never more
        (0.0, 3.0, 2.9, True),
        (0.0, 3.0, 3.0, False),
        (0.0, 0.0, 0.0, False),
        (0.0, 86400.0, 10.0, False),
    ],
)
def test_a_yes_lasts_ten_seconds_from_its_question(clock, asked_ago, lasts, passed, is_known):
    """Longer than that nobody may rely on it."""
    memory = ReachableMemory()
    memory.remember([A], clock.seconds - asked_ago, lasts)
    clock.seconds += passed
    assert memory.recall([A, B]) == ({A} if is_known else set())


def test_what_is_forgotten_takes_no_room(clock):
    """However many recipients there are, only those of the last seconds are kept."""
    memory = ReachableMemory()
    for number in range(100):
        memory.remember([(number, 1)], clock.seconds, 10.0)
        clock.seconds += 1.0
    assert len(memory._young) + len(memory._old) <= 22
    assert memory.recall((number, 1) for number in range(100)) == {(number, 1) for number in range(91, 100)}
