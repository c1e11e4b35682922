"""One PostgreSQL and one RabbitMQ for all processes of a run that has several."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .errors import ServiceMissing
from .postgres import postgres
from .rabbitmq import rabbitmq
from .rabbitmq_node import CONTROL


@contextmanager
def shared_by_processes() -> Iterator[None]:
    """Find or start the servers, and name them in the environment that the processes inherit.

    A server that is missing is left for them to miss: they say so in the tests that need it.
    """
    with ExitStack() as stack:
        try:
            os.environ["TEST_POSTGRES_URL"] = stack.enter_context(postgres()).url
            broker = stack.enter_context(rabbitmq())
            os.environ["TEST_BROKER_URL"] = broker.url
            if broker.control:
                os.environ[CONTROL] = broker.control
        except ServiceMissing:
            pass
        yield
