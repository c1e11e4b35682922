"""Wallets that are killed once; `tests/house/test_killed.py` has it twenty times, in both forms."""

from tests.backstage.deaths import seed
from tests.backstage.folders import new_folder
from tests.backstage.kills import play
from tests.backstage.running import embedded


def test_killed_once_nothing_is_lost_and_nothing_happens_twice() -> None:
    """Every answer stays true, no key has two outcomes, `verify` is clean."""
    with new_folder() as path, embedded("wallets", path, WALLETS_DEPOSITS_BY_ALL="yes") as program:
        play(program, kills=1, seed=seed())
