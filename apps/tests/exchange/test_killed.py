"""`kill -9` at random moments, in both forms: no trade is torn, and no offer comes twice."""

from pathlib import Path

import pytest

from tests.backstage.deaths import seed
from tests.backstage.elsewhere import server_elsewhere
from tests.backstage.folders import new_folder
from tests.backstage.running import Program, embedded
from tests.backstage.traders import Trader, operator
from tests.backstage.waiting import wait_until

from .killing import tell

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
KILLS = 20


def bank_of(program: Program, folder: Path) -> Trader:
    """The operator, as soon as there is one."""
    wait_until((folder / "sample-keys.json").exists, "sample traders")
    return operator(program, folder)


def test_killed_twenty_times_with_all_in_one_folder() -> None:
    """Everything in one process."""
    with new_folder() as folder, embedded("exchange", folder) as program:
        tell(program, bank_of(program, folder), kills=KILLS, seed=seed())


def test_killed_twenty_times_beside_a_server_elsewhere() -> None:
    """The accounting server is another process, with a broker between them."""
    with server_elsewhere("exchange") as environ, new_folder() as folder:
        environ |= {"APP_SAMPLES": "yes", "APP_FOLDER": str(folder)}
        with Program("exchange", environ) as program:
            tell(program, bank_of(program, folder), kills=KILLS, seed=seed())
