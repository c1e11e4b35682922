"""The server of the demonstration: the real programs, watched and in a hurry; one shard, or several.

The transport is in memory, and nobody keeps what is in flight: it ends with the process.  What
is committed is in PostgreSQL as always.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from swpt_accounts.broker import MemoryTransport
from swpt_accounts.broker.topology import DEAD_SUFFIX
from swpt_accounts.embedded.programs import Programs
from swpt_accounts.operators.inspection.tokens import OPERATOR
from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.operators.operations.tokens import create_token
from swpt_accounts.runtime import clock, logs
from swpt_accounts.runtime.settings import Settings, load
from swpt_accounts.shards.app import create_app
from swpt_accounts.storage import connections, fitness
from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from swpt_accounts.wire.routing import Realm

from .router import Router

# Nobody wants to wait a minute for the second announcement of a balance, or for the sum of a currency,
# nor an hour until another shard hears of a new rate.
_DIFFERENT: Final = {
    "LOG_LEVEL": "warning",
    "ACCOUNT_UPDATE_MIN_INTERVAL": "0",
    "SUMMARIES_SCAN_INTERVAL": "5",
    "ROOT_CONFIG_CACHE_TTL": "1",
}
_USER: Final = "guest"
"""The broker user of PROTOCOL_BROKER_URL, unless it is said otherwise."""

_MOST_CONNECTIONS_OF_A_SHARD: Final = 60

_LEFT: Final = """
SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM dead_letter),
       (SELECT count(*) FROM waiting_request)
"""
_FLOWS: Final = "SELECT debtor_id, sum(emitted - applied) FROM credit_flow GROUP BY debtor_id"


class Shard:
    """One server: a database of its own, a worker, the chores."""

    def __init__(self, settings: Settings, transport: MemoryTransport) -> None:
        self.settings = settings
        self.programs = Programs(settings, transport)

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A connection to its database."""
        with connections.session(self.settings.postgres_url, "swpt_accounts demo") as connection:
            yield connection

    def make_token(self) -> str:
        """A token for the admin listener, with the role of an operator."""
        with self.session() as connection:
            order = Order("demo", "demo", clock.utcnow)
            return create_token(connection, "demo", OPERATOR, expires_days=None, order=order)[1]


class Server:
    """All shards of the node, on one PostgreSQL in `folder` and one transport; a power of two of them."""

    def __init__(self, folder: Path, honoured: Mapping[str, str], shards: int = 1) -> None:
        self.transport = MemoryTransport()
        self.router = Router() if shards > 1 else None
        connections = {"max_connections": str(shards * _MOST_CONNECTIONS_OF_A_SHARD + 40)}
        self._postgres = EmbeddedPostgres(folder, connections)
        bits = shards.bit_length() - 1
        self._realms = [Realm(bits, prefix) for prefix in range(shards)]
        self.shards = [
            Shard(load({**_DIFFERENT, **honoured, **self._environ(realm)}), self.transport)
            for realm in self._realms
        ]

    @property
    def settings(self) -> Settings:
        """Those of the first shard, which are those of all others but for their part."""
        return self.shards[0].settings

    def start_database(self) -> None:
        """Log as the settings say, and start PostgreSQL.  Raises OperatorError."""
        logs.set_up(self.settings)
        self._postgres.start()
        for realm in self._realms:
            self._postgres.make_database(_name(realm))

    def start(self) -> None:
        """Do what `configure` does, and start all programs."""
        if self.router is not None:
            # Shards ask each other as soon as they are there, and must find tables.
            for shard in self.shards:
                fitness.configure_database(shard.settings)
            applications = {one.settings.realm(): create_app(one.settings) for one in self.shards}
            self.router.start(applications)
        for shard in self.shards:
            shard.programs.start()

    def stop(self) -> None:
        """Stop everything.  Twice is harmless."""
        try:
            for shard in self.shards:
                shard.programs.stop()
            if self.router is not None:
                self.router.stop()
        finally:
            self._postgres.stop()

    def realm_of(self, debtor_id: int, creditor_id: int) -> Realm:
        """The realm that has the account."""
        return next(one for one in self._realms if one.owns(debtor_id, creditor_id))

    def left(self) -> dict[str, int]:
        """How much is left where nothing should be when all is quiet."""
        counts: Counter[str] = Counter()
        travelling: Counter[int] = Counter()
        for shard in self.shards:
            queue = shard.settings.protocol_broker_queue
            for name in (queue, queue + DEAD_SUFFIX):
                shown = f"queue {name}" if self.router is None else "the queues"
                counts[shown] += self.transport.count_messages(name)
            with shard.session() as connection, connection.cursor() as cursor:
                cursor.execute(_LEFT)
                outbox, dead_letters, waiting = cursor.fetchone()
                cursor.execute(_FLOWS)
                travelling.update({debtor_id: int(amount) for debtor_id, amount in cursor.fetchall()})
            counts["the outbox"] += outbox
            counts["the dead letters"] += dead_letters
            if self.router is not None:
                counts["the waiting requests"] += waiting
        if self.router is not None:
            counts["the ways between shards"] = sum(amount != 0 for amount in travelling.values())
        return dict(counts)

    def _environ(self, realm: Realm) -> dict[str, str]:
        """What a shard has for itself."""
        environ = {"POSTGRES_URL": self._postgres.url(_name(realm))}
        if self.router is not None:
            environ |= {
                "PROTOCOL_BROKER_QUEUE": _name(realm),
                "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": realm.binding_key,
                "INTERNAL_USER": _USER,
                "FETCH_API_URL": self.router.url,
            }
        return environ


def _name(realm: Realm) -> str:
    """What the database of a shard is called, and its queue if there are several."""
    return f"shard_{realm.digits}" if realm.bits else "postgres"
