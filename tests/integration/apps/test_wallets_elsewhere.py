"""Wallets beside an accounting server that runs elsewhere, over RabbitMQ: the same stories hold."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from apps.tests.backstage.kills import play
from apps.tests.backstage.running import Program
from tests.backstage.server import Server


@pytest.fixture
def wallets(postgres_url: str, amqp_url: str, postgres: Any) -> Iterator[Program]:
    """An accounting server in threads, and wallets with a database of their own as a process."""
    name = postgres.create_empty_database()
    environ = {
        "POSTGRES_URL": postgres.database_url(name),
        "PROTOCOL_BROKER_URL": amqp_url,
        "WALLETS_DEPOSITS_BY_ALL": "yes",
    }
    server = Server(postgres_url, amqp_url)
    with server.serving_here(), Program("wallets", environ) as program:
        yield program
    postgres.drop_database(name)


@pytest.mark.timeout(300)
def test_killed_once_nothing_is_lost_and_nothing_happens_twice(wallets: Program) -> None:
    """Every answer stays true, no key has two outcomes, `verify` is clean."""
    play(wallets, kills=1, seed=random.SystemRandom().randrange(10**6))


@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_killed_20_times_nothing_is_lost_and_nothing_happens_twice(wallets: Program) -> None:
    """The same, more often."""
    play(wallets, kills=20, seed=random.SystemRandom().randrange(10**6))
