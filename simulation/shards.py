"""A shard of a world: a part of all accounts, with a database, a queue and questions of its own."""

from collections.abc import Callable, Mapping
from typing import Final

from swpt_accounts.runtime.settings import Settings, load
from swpt_accounts.wire.routing import Realm
from swpt_client.moments import Moment
from swpt_client.testing.network import Way

from .broker import Broker, Posted, Queue
from .database import Database
from .mix import Mix
from .questions import ROUTER_URL, Network

INTERNAL_USER: Final = "shards"
"""The broker user of the server."""


class Shard:
    """What the processes of a shard find in the world (see processes.Surroundings)."""

    def __init__(
        self,
        binding_key: str,
        mix: Mix,
        database: Database,
        way: Way[Posted],
        broker: Broker,
        network: Network,
        wall: Callable[[], Moment],
        monotonic: Callable[[], float],
    ) -> None:
        self.realm = Realm.parse(binding_key)
        self.name = f"{binding_key} " if self.realm.bits else ""
        """What the names of its processes begin with."""
        self.database = database
        self._variables = _variables(binding_key, mix, database.url)
        self.settings: Settings = load(self._variables)
        self.queue = Queue(way)
        self.broker = broker
        self.network = network
        self.batch_messages = mix.batch_messages
        self.wall = wall
        self.monotonic = monotonic

    def settle(self) -> None:
        """Its processes begin to remove what belongs to the sibling from whom it was split."""
        self.settings = load({**self._variables, "DELETE_FOREIGN_RECORDS": "yes"})


def queue_name(binding_key: str) -> str:
    """How the queue of a part of all accounts is called."""
    return f"swpt_accounts_{binding_key.removesuffix('.#').replace('.', '')}"


def _variables(binding_key: str, mix: Mix, url: str) -> Mapping[str, str]:
    if binding_key == "#":
        return {"POSTGRES_URL": url, **mix.settings}
    return {
        "POSTGRES_URL": url,
        "PROTOCOL_BROKER_URL": f"amqp://{INTERNAL_USER}:secret@broker",
        "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": binding_key,
        "PROTOCOL_BROKER_QUEUE": queue_name(binding_key),
        "INTERNAL_USER": INTERNAL_USER,
        "FETCH_API_URL": ROUTER_URL,
        **mix.settings,
    }
