"""What no program and no browser of good will sends is refused by all applications, which ask nobody."""

from collections.abc import Mapping
from functools import cache

import pytest
from flask import Flask

import exchange.program
import shop.program
import tap.program
import till.program
import wallets.program
from house.program import NoTransport, make_app, make_room
from house.room import Application
from house.settings import read_settings

PATHS: Mapping[str, tuple[Application, str]] = {
    "exchange": (exchange.program.APPLICATION, "/api/v1/offers"),
    "shop": (shop.program.APPLICATION, "/api/charge/"),
    "tap": (tap.program.APPLICATION, "/api/v1/send/"),
    "till": (till.program.APPLICATION, "/api/v1/purchases"),
    "wallets": (wallets.program.APPLICATION, "/api/v1/accounts/verify-web-token/"),
}
NO_BODIES = {
    "a number of too many digits": b'{"amount": ' + b"9" * 5000 + b"}",
    "too many digits in a list": b"[" + b"9" * 5000 + b"]",
    "half of a pair": b'{"token": "\\ud800"}',
    "half of a pair as a name": b'{"\\udc00": 1}',
    "half of a pair in bytes": b'{"token": "\xed\xa0\x80"}',
    "no UTF-8": b"\xff\xfe{}",
    "too deep": b"[" * 30_000,
    "too deep objects": b'{"a":' * 10_000,
    "too long": b'{"amount": "' + b"x" * 70_000 + b'"}',
    "not a number": b'{"amount": NaN}',
    "too large a float": b'{"amount": 1e400}',
    "no object": b"null",
    "a list": b"[]",
    "nothing": b"",
    "an end": b'{"amount": "1"',
}


@cache
def app_of(name: str) -> Flask:
    """The application, whose database is nowhere."""
    application, _ = PATHS[name]
    settings = read_settings(name, application.defaults, {})
    room = make_room(application, settings, {}, "postgresql://nobody@127.0.0.1:9/nothing", NoTransport())
    room.is_ready.set()
    return make_app(application, room)


@pytest.mark.parametrize("body", NO_BODIES.values(), ids=NO_BODIES)
@pytest.mark.parametrize("name", PATHS)
def test_what_is_no_body_is_refused(name: str, body: bytes) -> None:
    """By a problem document, of any application, before anything is looked at."""
    with app_of(name).test_client() as client:
        answer = client.post(PATHS[name][1], data=body, content_type="application/json")
    assert answer.status_code in (400, 413, 422), answer.text
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize("name", PATHS)
def test_what_no_text_has_is_refused_wherever_it_stands(name: str) -> None:
    """NUL in a path, a query or a form: no database keeps it."""
    with app_of(name).test_client() as client:
        answers = [
            client.get(f"{PATHS[name][1]}/%00"),
            client.get("/?next=%00"),
            client.post("/login", data={"key": "a\0.b", "name": "a\0"}),
        ]
    assert {(one.status_code, one.get_json()["code"]) for one in answers} <= {
        (422, "INVALID_FIELDS"),
        (400, "INVALID_FIELDS"),
    }


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_a_body_that_is_not_json_is_refused_as_such(name: str, kind: str) -> None:
    """And a method that is not there, with those that are."""
    with app_of(name).test_client() as client:
        wrong = client.post(PATHS[name][1], data=b'{"amount": "1"}', content_type=kind)
        missing = client.patch(PATHS[name][1], json={})
    assert (wrong.status_code, wrong.mimetype) == (415, "application/problem+json")
    assert (missing.status_code, missing.mimetype) == (405, "application/problem+json")
    assert "POST" in missing.headers["Allow"]
