"""Wallets beside an accounting server that runs elsewhere, over RabbitMQ: the same stories hold."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from apps.tests.backstage.kills import play
from apps.tests.backstage.people import deposit, register
from apps.tests.backstage.running import Caller, Program
from apps.tests.backstage.waiting import wait_until
from tests.backstage.server import Server


@pytest.fixture
def surroundings(amqp_url: str, postgres: Any) -> Iterator[dict[str, str]]:
    """The settings of wallets with a database of their own, beside a server elsewhere."""
    name = postgres.create_empty_database()
    yield {
        "POSTGRES_URL": postgres.database_url(name),
        "PROTOCOL_BROKER_URL": amqp_url,
        "WALLETS_DEPOSITS_BY_ALL": "yes",
    }
    postgres.drop_database(name)


@pytest.fixture
def wallets(postgres_url: str, amqp_url: str, surroundings: dict[str, str]) -> Iterator[Program]:
    """An accounting server in threads, and wallets as a process."""
    server = Server(postgres_url, amqp_url)
    with server.serving_here(), Program("wallets", surroundings) as program:
        yield program


def test_killed_once_nothing_is_lost_and_nothing_happens_twice(wallets: Program) -> None:
    """Every answer stays true, no key has two outcomes, `verify` is clean."""
    play(wallets, kills=1, seed=random.SystemRandom().randrange(10**6))


def test_before_the_server_knows_the_currency_nothing_is_stored(
    postgres_url: str, amqp_url: str, surroundings: dict[str, str]
) -> None:
    """What was issued then would be refused for good: it did not happen, and is possible a moment later."""
    server = Server(postgres_url, amqp_url)
    with Program("wallets", surroundings) as program:
        caller = Caller(program.address)
        body = {"email": "early@example.com", "password": "a long password"}
        names = {"first_name": "An", "last_name": "Early Bird"}
        refused = caller.post("/api/v1/accounts/registration/", body | names)
        assert (refused.status_code, refused.json()["code"]) == (503, "SERVER_AWAY")
        assert caller.get("/readyz").status_code == 503
        with server.serving_here():
            wait_until(lambda: caller.get("/readyz").status_code == 200, "a program that is ready")
            late = register(program, "early@example.com")
            deposit(late, "1.00")
            assert late.balance == "1.00"
