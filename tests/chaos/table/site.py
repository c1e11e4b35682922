"""The servers of the table: a PostgreSQL, a RabbitMQ and the customers' database, all of them our own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from tests.services.errors import ServiceMissing
from tests.services.network import Host, another_host
from tests.services.ports import free_port
from tests.services.postgres import own_postgres
from tests.services.rabbitmq import own_rabbitmq
from tests.services.rabbitmq_node import RabbitmqNode

DURABLE: Final = {"fsync": "on", "full_page_writes": "on"}

_serial: Final = count(1)


class Site(msgspec.Struct, frozen=True):
    """What runs for all scenarios, one of which may break it, and mends it again."""

    postgres: EmbeddedPostgres
    broker: RabbitmqNode
    customers: EmbeddedPostgres
    host: Host | None
    why_no_host: str = ""

    def another_host(self) -> Host:
        """Another host.  Raises ServiceMissing."""
        if self.host is None:
            raise ServiceMissing(self.why_no_host)
        return self.host

    @property
    def postgres_port(self) -> int:
        """The port at which another host finds the database."""
        return int(parse_qs(urlsplit(self.postgres.url()).query)["port"][0])

    def far_environ(self, postgres_url: str) -> dict[str, str]:
        """How processes on the other host reach this database, and the broker."""
        near, name = self.another_host().near, urlsplit(postgres_url).path
        return {
            "POSTGRES_URL": f"postgresql://postgres@{near}:{self.postgres_port}{name}",
            "PROTOCOL_BROKER_URL": f"amqp://guest:guest@{near}:{self.broker.port}",
        }

    def new_databases(self) -> tuple[str, str]:
        """Empty ones, for a server and its customers."""
        name = f"scene_{next(_serial)}"
        return self.postgres.make_database(name), self.customers.make_database(name)


@contextmanager
def whole_site() -> Iterator[Site]:
    """All of it.  Raises ServiceMissing."""
    with ExitStack() as stack:
        host, why = None, ""
        try:
            host = stack.enter_context(another_host())
        except ServiceMissing as error:
            why = str(error)
        near = "127.0.0.1" if host is None else host.near
        settings = DURABLE | {"listen_addresses": near, "port": str(free_port())}
        postgres = stack.enter_context(own_postgres(settings, admitted=f"{near}/24"))
        broker = stack.enter_context(own_rabbitmq(near="" if host is None else near))
        customers = stack.enter_context(own_postgres(DURABLE))
        yield Site(postgres, broker, customers, host, why)
