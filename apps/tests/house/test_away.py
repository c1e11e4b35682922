"""Pages and APIs of all applications while the database is away: a sentence, and never a stack trace."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

import exchange.program
import shop.access
import shop.program
import tap.program
import till.api
import till.program
import wallets.access
import wallets.program
from house.program import NoTransport, make_app, make_room, visiting
from house.room import Application, Room
from house.settings import read_settings
from swpt_client.embedded import EmbeddedServer

Headers: TypeAlias = Callable[[Room], Mapping[str, str]]
PAGE = {"Accept": "text/html"}


def _with_key(_room: Room) -> Mapping[str, str]:
    return {"api_key": "0123456789ab.secret", "api-key": "0123456789ab.secret"}


def _signed(scheme: str, purpose: str) -> Headers:
    return lambda room: {"Authorization": f"{scheme} {room.signing.sign(purpose, 1)}"}


# A page for who is logged in, a path of the API, and what is sent to it.
APPLICATIONS: Mapping[str, tuple[Application, str, str, Headers]] = {
    "exchange": (exchange.program.APPLICATION, "/book", "/api/v1/offers", _with_key),
    "shop": (
        *(shop.program.APPLICATION, "/administration/requests", "/api/balance/"),
        _signed("Token", shop.access.PURPOSE),
    ),
    "tap": (tap.program.APPLICATION, "/", "/api/v1/errors", _with_key),
    "till": (till.program.APPLICATION, "/", "/api/v1/me", _signed("Bearer", till.api.PURPOSE)),
    "wallets": (
        *(wallets.program.APPLICATION, "/staff/verify", "/api/v1/payments/balance/"),
        _signed("JWT", wallets.access.PURPOSE),
    ),
}


@pytest.fixture(scope="module")
def link(folder: Path) -> Iterator[Path]:
    """Where an embedded PostgreSQL runs, by a name that can be taken away."""
    server = EmbeddedServer(folder)
    server.start_database()
    name = folder.with_name(f"{folder.name}-link")
    yield name
    name.unlink(missing_ok=True)
    server.stop()


@pytest.mark.parametrize("name", APPLICATIONS)
def test_before_its_tables_are_there_an_application_says_that_it_has_just_begun(
    name: str, link: Path, folder: Path
) -> None:
    """Whoever is quicker than the first start is told so; no table is asked that is not there."""
    application, page, api, _ = APPLICATIONS[name]
    settings = read_settings(name, application.defaults, {"APP_FOLDER": str(folder)})
    url = EmbeddedServer(folder).database_url(f"{name}_new")
    room = make_room(application, settings, {}, url, NoTransport())
    with make_app(application, room).test_client() as client:
        for path, headers, kind in ((page, PAGE, "text/html"), (api, {}, "application/problem+json")):
            answer = client.get(path, headers=headers)
            assert (answer.status_code, answer.mimetype) == (503, kind), answer.text
            assert "the program has just begun" in answer.text
        assert client.get("/readyz").get_json() == {"database": True, "tables": False}
        assert client.get("/livez").status_code == 200
    room.database.engine.dispose()


@pytest.mark.parametrize("name", APPLICATIONS)
def test_without_the_database_pages_and_apis_say_so(name: str, link: Path, folder: Path) -> None:
    """Also to somebody whose visit, or whose key, is in the database; what needs no database is as it was."""
    application, page, api, headers = APPLICATIONS[name]
    link.symlink_to(folder)
    with visiting(application, {"APP_FOLDER": str(link)}) as room:
        room.is_ready.set()
        with make_app(application, room).test_client() as client:
            assert client.get(page, headers=PAGE, follow_redirects=True).status_code == 200
            with client.session_transaction() as session:
                session["visit"] = "of somebody who was here before"
            sent = headers(room)
            link.unlink()
            room.database.engine.dispose()
            seen, document = client.get(page, headers=PAGE), client.get(api, headers=sent)
            assert (seen.status_code, seen.mimetype) == (503, "text/html")
            assert "It did not happen, and nothing was stored: try again." in seen.text
            assert (document.status_code, document.mimetype) == (503, "application/problem+json")
            assert document.get_json()["code"] == "SERVER_AWAY"
            assert client.get("/readyz").status_code == 503
            assert client.get("/livez").status_code == 200
            lost = client.get("/nothing/here", headers=PAGE)
            assert (lost.status_code, lost.mimetype) == (404, "text/html")
