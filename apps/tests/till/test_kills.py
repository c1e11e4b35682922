"""`kill -9` at random moments, from a printed seed: nothing lost, nothing twice, no key with two outcomes."""

import os
from pathlib import Path
from random import SystemRandom

import pytest

from tests.backstage.elsewhere import server_elsewhere
from tests.backstage.running import Program, embedded

from .killing import tell
from .people import Administration, until

KILLS = 20


def seed() -> int:
    """SEED, or another one in each run; it is printed."""
    return int(os.environ.get("SEED", "0")) or SystemRandom().randrange(1, 2**31)


def office_of(program: Program) -> Administration:
    """Somebody who is logged in to the administration, as soon as the samples are there."""
    office = Administration(program)
    until(lambda: office.post("/administration", password="till-sample").status_code == 200, "the password")
    return office


@pytest.mark.timeout(300)
def test_a_till_that_is_killed_once_ends_right(folder: Path) -> None:
    """The small case: everything in one process."""
    with embedded("till", folder, TILL_DAILY_RECHARGE="1000.00") as program:
        tell(program, office_of(program), seed=7, kills=1)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_till_that_is_killed_twenty_times_ends_right(folder: Path) -> None:
    """Everything in one process."""
    with embedded("till", folder, TILL_DAILY_RECHARGE="1000.00") as program:
        tell(program, office_of(program), seed(), KILLS)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_till_that_is_killed_twenty_times_beside_a_server_elsewhere_ends_right() -> None:
    """The accounting server is another process, with a broker between them."""
    with server_elsewhere("till") as environ:
        environ |= {"APP_SAMPLES": "yes", "TILL_DAILY_RECHARGE": "1000.00"}
        with Program("till", environ) as program:
            tell(program, office_of(program), seed(), KILLS)
