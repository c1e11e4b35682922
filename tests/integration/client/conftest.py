"""A server on RabbitMQ, and what its clients need."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url

from swpt_client.agent import Agent
from swpt_client.transport.rabbitmq import RabbitmqTransport
from tests.backstage.server import Server
from tests.backstage.waiting import wait_until

SUBNET = 0x0000010000000000
ALICE, BOB = SUBNET + 1, SUBNET + 2
DEBTOR = 7


def engine_of(url: str) -> Engine:
    """An engine on a database of the tests."""
    return create_engine(make_url(url).set(drivername="postgresql+psycopg2"))


class Bank:
    """A running server with one currency; agents join it."""

    def __init__(self, server: Server, engine: Engine) -> None:
        self.server = server
        self.engine = engine

    @contextmanager
    def agent(self, queue: str = "client", **options: Any) -> Iterator[Agent]:
        """An agent of the issuer and of all its customers."""
        transport = RabbitmqTransport(self.server.amqp_url, queue)
        options = {"subnet": SUBNET, "debtor_ids": [DEBTOR], "poll_seconds": 0.1, **options}
        with Agent(self.engine, transport, **options) as agent:
            yield agent


def open_accounts(agent: Agent, *creditor_ids: int) -> dict[int, str]:
    """Open the root account, and accounts; their public identifiers."""
    agent.open_account(DEBTOR, 0, negligible_amount=1e30)
    for creditor_id in creditor_ids:
        agent.open_account(DEBTOR, creditor_id)

    def is_open(creditor_id: int) -> bool:
        account = agent.account(DEBTOR, creditor_id)
        return account is not None and account.is_effectual and account.account_id != ""

    wait_until(lambda: all(map(is_open, (0, *creditor_ids))), "open accounts")
    return {one: agent.account(DEBTOR, one).account_id for one in creditor_ids}  # type: ignore[union-attr]


def principal(agent: Agent, creditor_id: int) -> int:
    """What the ledger says."""
    account = agent.account(DEBTOR, creditor_id)
    return 0 if account is None else account.principal


@pytest.fixture
def closed_bank(postgres_url: str, amqp_url: str, postgres: Any) -> Iterator[Bank]:
    """A configured server of which nothing runs, and a database for the clients."""
    name = postgres.create_empty_database()
    engine = engine_of(postgres.database_url(name))
    yield Bank(Server(postgres_url, amqp_url), engine)
    engine.dispose()
    postgres.drop_database(name)


@pytest.fixture
def bank(closed_bank: Bank) -> Iterator[Bank]:
    """A worker and chores as threads, and a database for the clients."""
    with closed_bank.server.serving_here():
        yield closed_bank
