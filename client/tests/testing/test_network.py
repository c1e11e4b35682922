"""A way of a network loses, doubles and shuffles, and nothing else."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from swpt_client.moments import HOUR
from swpt_client.testing.clock import Clock
from swpt_client.testing.network import Way
from swpt_client.testing.strategies import networks


@given(networks, st.integers(0, 2**32), st.integers(0, 60))
def test_what_is_not_lost_arrives_once_or_twice(odds, seed, count):
    """Nobody invents a message, and nothing waits for longer than the longest delay."""
    clock = Clock()
    way: Way[int] = Way(Random(seed), lambda: clock.now, odds)
    way.put(range(count))
    clock.advance(HOUR)
    arrived = Counter(message for _, message in way.take(1000))
    assert set(arrived) <= set(range(count))
    assert set(arrived.values()) <= {1, 2}
    assert count - way.counts["lost"] == len(arrived)
    assert way.counts["doubled"] == arrived.total() - len(arrived)


def test_what_is_not_acknowledged_comes_again():
    """A receiver that dies loses nothing."""
    clock = Clock()
    way: Way[str] = Way(Random(1), lambda: clock.now)
    way.put(["a", "b", "c"])
    (first, _), *_ = way.take(2)
    way.ack([first])
    way.give_back()
    assert [message for _, message in way.take(9)] == ["b", "c"]
    assert len(way) == 2


def test_a_way_that_is_cut_keeps_what_is_sent():
    """It arrives when the way is open again."""
    clock = Clock()
    way: Way[str] = Way(Random(1), lambda: clock.now)
    way.is_cut = True
    way.put(["a"])
    assert way.take(9) == []
    assert way.due_at() is None
    way.is_cut = False
    assert way.due_at() == clock.now
    assert [message for _, message in way.take(9)] == ["a"]
