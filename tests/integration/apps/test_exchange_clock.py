"""An exchange whose clock is not that of its database: what is due comes at its time all the same."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from apps.tests.backstage.folders import new_folder
from apps.tests.backstage.running import Program
from tests.backstage.applications import STORIES
from tests.backstage.server import Server
from tests.services.errors import ServiceMissing, give_up
from tests.services.faketime import require_faketime
from tests.services.leftovers import is_shifted

_AHEAD = "+1h"


@pytest.fixture(scope="module")
def clock_ahead() -> dict[str, str]:
    """The environment of a program whose clock is an hour ahead."""
    if is_shifted():
        pytest.skip("The clock of the tests is shifted already.")
    try:
        faketime = require_faketime()
    except ServiceMissing as error:
        give_up(error)
    shown = subprocess.run((faketime, "-m", "-f", _AHEAD, "env"), capture_output=True, text=True, check=True)
    [library] = [line for line in shown.stdout.splitlines() if line.startswith("LD_PRELOAD=")]
    return {
        "LD_PRELOAD": library.partition("=")[2],
        "FAKETIME": _AHEAD,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@pytest.fixture
def database(postgres: Any) -> Iterator[str]:
    """A database for the exchange; its address."""
    name = postgres.create_empty_database()
    yield postgres.database_url(name)
    postgres.drop_database(name)


def test_offers_meet_at_once_though_the_program_is_an_hour_ahead(
    postgres_url: str, amqp_url: str, database: str, clock_ahead: dict[str, str]
) -> None:
    """Moments that the database compares are its own: by ours offers would wait for an hour."""
    with Server(postgres_url, amqp_url).serving_here(), new_folder() as folder:
        environ = {
            "POSTGRES_URL": database,
            "PROTOCOL_BROKER_URL": amqp_url,
            "APP_SAMPLES": "yes",
            "APP_FOLDER": str(folder),
        }
        with Program("exchange", environ | clock_ahead) as program:
            STORIES["exchange"](program, folder)
