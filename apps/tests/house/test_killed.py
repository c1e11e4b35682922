"""Each application killed twenty times at random during its story, in both forms; the seed is printed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.backstage import kills as wallets
from tests.backstage import traders
from tests.backstage.deaths import seed
from tests.backstage.elsewhere import server_elsewhere
from tests.backstage.folders import new_folder
from tests.backstage.running import Program, embedded
from tests.backstage.waiting import wait_until
from tests.exchange import killing as exchange
from tests.shop import killing as shop
from tests.tap import killing as tap
from tests.tap import people as holders
from tests.till import killing as till

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
KILLS = 20


class Story(NamedTuple):
    """What happens while the program is killed, and the settings that it needs."""

    play: Callable[[Program, Path, int], None]
    environ: Mapping[str, str]


def _exchange(program: Program, folder: Path, chosen: int) -> None:
    wait_until((folder / "sample-keys.json").exists, "sample traders")
    exchange.tell(program, traders.operator(program, folder), kills=KILLS, seed=chosen)


def _tap(program: Program, folder: Path, chosen: int) -> None:
    wait_until((folder / "sample-keys.json").exists, "sample people")
    tap.tell(program, holders.operator(program, folder), kills=KILLS, seed=chosen)


def _shop(program: Program, _folder: Path, chosen: int) -> None:
    # Ten credits of 10,000 and of 15,000; 500 sales of 50 each: 75,000.00 and 125,000.00 are left.
    shop.tell(program, granted=(10_000, 15_000), grants=10, sales=500, kills=KILLS, seed=chosen)


def _till(program: Program, _folder: Path, chosen: int) -> None:
    till.tell(program, till.office_of(program), kills=KILLS, seed=chosen)


def _wallets(program: Program, _folder: Path, chosen: int) -> None:
    wallets.play(program, kills=KILLS, seed=chosen)


STORIES: Mapping[str, Story] = {
    "exchange": Story(_exchange, {}),
    "shop": Story(_shop, {}),
    "tap": Story(_tap, {}),
    "till": Story(_till, {"TILL_DAILY_RECHARGE": "1000.00"}),
    "wallets": Story(_wallets, {"WALLETS_DEPOSITS_BY_ALL": "yes"}),
}


@pytest.mark.parametrize("name", STORIES)
def test_killed_twenty_times_with_all_in_one_folder(name: str) -> None:
    """Everything in one process: nothing lost, nothing twice, no key with two outcomes, `verify` is clean."""
    with new_folder() as folder, embedded(name, folder, **STORIES[name].environ) as program:
        STORIES[name].play(program, folder, seed())
        program.verify_all()


@pytest.mark.parametrize("name", STORIES)
def test_killed_twenty_times_beside_a_server_elsewhere(name: str) -> None:
    """The accounting server is another process, with a broker between them."""
    with server_elsewhere(name) as environ, new_folder() as folder:
        environ |= {"APP_SAMPLES": "yes", "APP_FOLDER": str(folder), **STORIES[name].environ}
        with Program(name, environ) as program:
            STORIES[name].play(program, folder, seed())
            program.verify_all()
