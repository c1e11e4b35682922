"""`kill -9` at random moments, in both forms: no tap has two outcomes, and no cent is lost or made."""

from pathlib import Path

import pytest

from tests.backstage.deaths import seed
from tests.backstage.elsewhere import server_elsewhere
from tests.backstage.folders import new_folder
from tests.backstage.running import Program, embedded
from tests.backstage.waiting import wait_until

from .killing import tell
from .people import Holder, operator

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
KILLS = 20


def bank_of(program: Program, folder: Path) -> Holder:
    """The operator, as soon as there is one."""
    wait_until((folder / "sample-keys.json").exists, "sample people")
    return operator(program, folder)


def test_killed_twenty_times_with_all_in_one_folder() -> None:
    """Everything in one process."""
    with new_folder() as folder, embedded("tap", folder) as program:
        tell(program, bank_of(program, folder), kills=KILLS, seed=seed())


def test_killed_twenty_times_beside_a_server_elsewhere() -> None:
    """The accounting server is another process, with a broker between them."""
    with server_elsewhere("tap") as environ, new_folder() as folder:
        environ |= {"APP_SAMPLES": "yes", "APP_FOLDER": str(folder)}
        with Program("tap", environ) as program:
            tell(program, bank_of(program, folder), kills=KILLS, seed=seed())
