"""What an application cannot be started with is said in one line, which names the setting."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

import exchange.program
import tap.program
import till.program
import wallets.program
from house.errors import StartError
from house.program import NoTransport, make_app, make_room, visiting
from house.room import Application
from house.serving import listen
from house.settings import read_settings

WALLETS = wallets.program.APPLICATION
ELSEWHERE = {"POSTGRES_URL": "postgresql://one@here/wallets", "PROTOCOL_BROKER_URL": "amqp://one@here"}


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"APP_PORT": "99999"}, "APP_PORT=99999: must be an integer between 0 and 65535"),
        ({"APP_PORT": "http"}, "APP_PORT=http: must be an integer"),
        ({"APP_SUBNET": "5"}, "APP_SUBNET=0x5: must be a multiple"),
        ({"APP_THREADS": "1"}, "APP_THREADS=1: must be an integer between 4 and 500"),
        ({"APP_HTTPS": "maybe"}, "APP_HTTPS=maybe: must be yes or no"),
        ({"APP_ISSUING_LIMIT": "1.5"}, "APP_ISSUING_LIMIT=1.5: must be an integer"),
        (ELSEWHERE | {"PROTOCOL_BROKER_URL": ""}, "PROTOCOL_BROKER_URL: is missing"),
        (ELSEWHERE | {"POSTGRES_URL": ""}, "POSTGRES_URL: is missing"),
        (ELSEWHERE | {"POSTGRES_URL": "mysql://one:secret@here"}, "POSTGRES_URL: must be an address like"),
    ],
)
def test_a_setting_of_all_applications_that_cannot_be_used(environ: dict[str, str], named: str) -> None:
    """Passwords are not shown."""
    with pytest.raises(StartError) as said:
        read_settings("wallets", WALLETS.defaults, environ)
    assert str(said.value).startswith(named)
    assert "secret" not in str(said.value)


@pytest.mark.parametrize(
    ("application", "name"),
    [
        (exchange.program.APPLICATION, "EXCHANGE_DECIDE_SECONDS"),
        (exchange.program.APPLICATION, "EXCHANGE_REPAIR_SECONDS"),
        (tap.program.APPLICATION, "TAP_ALONE_SECONDS"),
        (till.program.APPLICATION, "TILL_TIME_ZONE"),
        (WALLETS, "WALLETS_DEPOSITS_BY_ALL"),
    ],
)
def test_a_setting_of_one_application_that_cannot_be_used(application: Application, name: str) -> None:
    """It is said at the start, and not to the first who asks."""
    settings = read_settings(application.name, application.defaults, {})
    room = make_room(application, settings, {name: "-"}, "postgresql://one@here/nothing", NoTransport())
    with pytest.raises(StartError, match=f"^{name}=-: must be "):
        make_app(application, room)


def test_a_port_that_is_taken_and_an_address_that_is_not_here() -> None:
    """Both name the setting that helps."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = {"APP_PORT": str(other.getsockname()[1])}
        with pytest.raises(StartError, match="another program listens there; stop it, or set APP_PORT"):
            listen(read_settings("wallets", WALLETS.defaults, taken))
    with pytest.raises(StartError, match=r"^APP_BIND=203\.0\.113\.1: cannot listen there"):
        listen(read_settings("wallets", WALLETS.defaults, {"APP_BIND": "203.0.113.1", "APP_PORT": "0"}))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Where there is a file already, or in a place that is none."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with (
            pytest.raises(StartError, match=r"^APP_FOLDER=.*: cannot be made"),
            visiting(WALLETS, {"APP_FOLDER": str(folder)}),
        ):
            pass
