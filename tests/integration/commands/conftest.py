"""What the tests of commands share."""

import pytest

from tests.backstage.server import Server


@pytest.fixture
def server(postgres_url, amqp_url) -> Server:
    """A server whose processes are not started."""
    return Server(postgres_url, amqp_url)
