"""Wallets that are killed, with everything in one folder; `tests/integration/apps` has the other form."""

import random
from collections.abc import Iterator

import pytest

from tests.backstage.folders import new_folder
from tests.backstage.kills import play
from tests.backstage.running import Program, embedded


@pytest.fixture
def killable() -> Iterator[Program]:
    """A program of its own, because the others do not expect to be killed."""
    with new_folder() as path, embedded("wallets", path, WALLETS_DEPOSITS_BY_ALL="yes") as program:
        yield program


@pytest.mark.timeout(300)
def test_killed_once_nothing_is_lost_and_nothing_happens_twice(killable: Program) -> None:
    """Every answer stays true, no key has two outcomes, `verify` is clean."""
    play(killable, kills=1, seed=random.SystemRandom().randrange(10**6))


@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_killed_20_times_nothing_is_lost_and_nothing_happens_twice(killable: Program) -> None:
    """The same, more often."""
    play(killable, kills=20, seed=random.SystemRandom().randrange(10**6))
