"""What the tests of processes share: a database and a virtual host, swept for each test."""

from collections.abc import Iterator

import pytest

from tests.backstage.mailbox import Mailbox
from tests.backstage.server import Server
from tests.backstage.stand import sweep


@pytest.fixture(scope="module")
def places(postgres, rabbitmq) -> Iterator[tuple[str, str]]:
    """A database and a virtual host for all tests of a file."""
    name, vhost = postgres.create_database(), rabbitmq.take_vhost()
    yield postgres.database_url(name), rabbitmq.vhost_url(vhost)
    rabbitmq.give_back_vhost(vhost)
    postgres.drop_database(name)


@pytest.fixture
def server(places) -> Server:
    """An empty server, reached directly."""
    sweep(places[0])
    return Server(*places)


@pytest.fixture
def mailbox(server) -> Iterator[Mailbox]:
    """All that the server says."""
    mailbox = Mailbox(server.amqp_url)
    yield mailbox
    mailbox.close()
