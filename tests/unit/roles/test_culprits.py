"""Who fails alone is found among those who fail together, and nobody else is blamed."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.roles.culprits import are_too_many, find_culprits


class Attempts:
    """Things of which some are bad: together with others they fail all."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.done: list[int] = []
        self.tries = 0

    def __call__(self, things: Sequence[int]) -> None:
        self.tries += 1
        if found := self.bad & set(things):
            raise ValueError(min(found))
        self.done += things


def is_blame(error: Exception) -> bool:
    return isinstance(error, ValueError)


@given(st.sets(st.integers(0, 40)), st.integers(1, 41))
def test_exactly_the_culprits_are_found(bad, size):
    """In their order, each with its own error; all others are done, once and in their order."""
    things = list(range(size))
    attempts = Attempts(bad)
    found = list(find_culprits(things, attempts, is_blame))
    assert [thing for thing, _ in found] == sorted(bad & set(things))
    assert all(error.args == (thing,) for thing, error in found)
    assert attempts.done == [thing for thing in things if thing not in bad]


def test_one_culprit_among_many_costs_few_attempts():
    """Two for each halving, and not one for each thing."""
    attempts = Attempts({77})
    assert len(list(find_culprits(range(1024), attempts, is_blame))) == 1
    assert attempts.tries == 1 + 2 * 10


def test_a_culprit_is_dealt_with_before_those_behind_it():
    """So what comes later is not done first, unless it fails together with the culprit."""
    attempts = Attempts({1})
    thing, _ = next(iter(find_culprits([0, 1, 2, 3], attempts, is_blame)))
    assert (thing, attempts.done) == (1, [0])


def test_an_error_that_is_nobodys_fault_comes_out():
    """Nobody is looked for when the database is away."""

    def attempt(things):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(find_culprits([1, 2, 3], attempt, is_blame))


@pytest.mark.parametrize(
    ("culprits", "size", "too_many"),
    [
        (0, 1, False),
        (3, 3, False),
        (4, 4, True),
        (4, 40, False),
        (5, 49, True),
        (50, 500, False),
        (51, 500, True),
    ],
)
def test_many_culprits_are_our_fault(culprits, size, too_many):
    """Three always may fail, and a tenth of many."""
    assert are_too_many(culprits, size) is too_many
