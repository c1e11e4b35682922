"""The PostgreSQL and the RabbitMQ that benchmarks use: found here, or started for them alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg2

from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from tests.services.leftovers import new_folder
from tests.services.postgres import Postgres, postgres
from tests.services.rabbitmq import Rabbitmq, rabbitmq

# Without these a commit is only a promise, and a figure only a rumour.
_DURABLE: Final = ("fsync", "full_page_writes", "synchronous_commit")


class NotDurable(Exception):
    """The database would lose what it has committed; nobody wants to know how fast."""


class Site:
    """Where benchmarks make databases and virtual hosts, and drop them."""

    def __init__(self, servers: Postgres, broker: Rabbitmq) -> None:
        self._postgres = servers
        self._rabbitmq = broker
        self.origin = {"postgresql": servers.origin, "rabbitmq": broker.origin}

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new database with the newest schema and no rows."""
        with self._postgres.database() as name:
            yield self._postgres.database_url(name)

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """The URL of a new, empty virtual host."""
        name = self._rabbitmq.take_vhost()
        try:
            yield self._rabbitmq.vhost_url(name)
        finally:
            self._rabbitmq.give_back_vhost(name)

    def describe(self) -> dict[str, Any]:
        """What the figures depend on."""
        with self.database() as url, self.vhost() as amqp_url:
            return {
                "cores": os.cpu_count(),
                "postgresql": _postgres_facts(url),
                "rabbitmq": _rabbitmq_version(amqp_url),
                "origin": self.origin,
            }


@contextmanager
def site() -> Iterator[Site]:
    """The site of this run.  Raises ServiceMissing or NotDurable with one clear line."""
    with _durable_postgres() as servers, rabbitmq() as broker:
        yield Site(servers, broker)


@contextmanager
def _durable_postgres() -> Iterator[Postgres]:
    with postgres() as found:
        weak = weaknesses(found)
        if not weak:
            yield found
            return
        if "our own" not in found.origin:
            raise NotDurable(f"PostgreSQL, {found.origin}, does not keep its word: {', '.join(weak)}")
    # The one that tests start for themselves is fast and loose.
    with own_durable_postgres() as own:
        yield own


def weaknesses(servers: Postgres) -> list[str]:
    """The settings by which this PostgreSQL may lose what it has committed."""
    facts = _postgres_facts(servers.database_url("postgres"))
    return [name for name in _DURABLE if facts[name] != "on"]


@contextmanager
def own_durable_postgres() -> Iterator[Postgres]:
    """One that is started for this run alone, and keeps what it has committed."""
    own = EmbeddedPostgres(new_folder(), {"max_connections": "200"})
    try:
        own.start()
        servers = Postgres(own.url(), "our own, from a wheel")
        yield servers
        servers.close()
    finally:
        own.remove()


def _postgres_facts(url: str) -> dict[str, str]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            names = [*_DURABLE, "server_version", "shared_buffers", "max_wal_size", "wal_compression"]
            cursor.execute("SELECT name, current_setting(name) FROM unnest(%s) AS name", [names])
            return dict(cursor.fetchall())
    finally:
        connection.close()


def _rabbitmq_version(amqp_url: str) -> str:
    import pika

    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    try:
        properties = connection._impl.server_properties
        return str(properties["version"])
    finally:
        connection.close()
