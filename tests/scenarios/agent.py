"""A client on the other side of the broker: publishes anything, and waits for what comes."""

import json
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import md5
from itertools import count
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import pika
from pika.spec import BasicProperties

from . import form
from .deployment import Deployment

PATIENCE_SECONDS: Final = 90.0
"""How long an answer may take on a busy machine; a good one comes in milliseconds."""

FENCE_DEBTOR: Final = 2**63 - 1
"""Rejected messages of this debtor prove that everything sent before them has been answered."""

_ACCOUNTS_IN: Final = "accounts_in"
_T = TypeVar("_T")


class KeptProperties(BasicProperties):  # type: ignore[misc]
    """Properties that also remember the bytes they came in."""

    raw = b""

    def decode(self, encoded: bytes, offset: int = 0) -> "KeptProperties":
        """Read the properties, as pika asks for."""
        self.raw = encoded[offset:]
        super().decode(encoded, offset)
        return self


class RawProperties(BasicProperties):  # type: ignore[misc]
    """Properties that are sent as these bytes."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self._raw = raw

    def encode(self) -> list[bytes]:
        """Write the properties, as pika asks for."""
        return [self._raw]


class Event:
    """A message from the server; its fields are attributes."""

    def __init__(
        self, observed_at: str, exchange: str, routing_key: str, properties: Any, body: bytes
    ) -> None:
        self.observed_at = observed_at
        self.exchange = exchange
        self.routing_key = routing_key
        self.properties = properties
        self.body = body
        self.fields: dict[str, Any] = json.loads(body)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self) -> str:
        return self.body.decode()

    def has(self, **fields: Any) -> bool:
        """Whether these fields have these values."""
        return all(self.fields.get(name) == value for name, value in fields.items())


class Agent:
    """One connection that sees all that the server sends; `inbox` sorts it by debtor.

    Answers to coordinators that reach creditors or debtors through the exchange of the
    coordinators are copies, and are kept apart.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        parameters = pika.URLParameters(deployment.amqp_url)
        parameters.heartbeat = 0  # between two stories nobody reads
        self._connection = pika.BlockingConnection(parameters)
        self.channel = self._connection.channel()
        self.inboxes: dict[int, list[Event]] = defaultdict(list)
        self.copies: dict[int, list[Event]] = defaultdict(list)
        self._serial = count(1)
        self.coordinators_queue = ""
        for exchange in ("to_creditors", "to_debtors", "to_coordinators"):
            self.coordinators_queue = self._observe(exchange)

    def close(self) -> None:
        """Close the connection; the queues go with it."""
        self._connection.close()

    def _observe(self, exchange: str) -> str:
        queue: str = self.channel.queue_declare("", exclusive=True).method.queue
        self.bind(queue, exchange)
        self.channel.basic_consume(queue, partial(self._receive, exchange), auto_ack=True)
        return queue

    def bind(self, queue: str, exchange: str) -> None:
        """Let everything flow from the exchange into the queue."""
        is_by_headers = exchange == "to_coordinators"
        arguments = {"x-match": "all"} if is_by_headers else None
        self.channel.queue_bind(queue, exchange, "" if is_by_headers else "#", arguments)

    def unbind_coordinators(self) -> None:
        """Let answers of unknown types go nowhere."""
        self.channel.queue_unbind(self.coordinators_queue, "to_coordinators", "", {"x-match": "all"})

    def _receive(self, observed_at: str, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        event = Event(observed_at, method.exchange, method.routing_key, properties, body)
        form.check_body(body, properties.type)
        form.check_address(event.fields, method.exchange, method.routing_key)
        form.check_properties(properties.raw, event.fields)
        boxes = self.inboxes if observed_at == method.exchange else self.copies
        boxes[event.debtor_id].append(event)

    def publish(
        self, body: bytes, properties: BasicProperties | None = None, routing_key: str = "", **fields: Any
    ) -> None:
        """Send a body to the server; `fields` are properties besides the content type."""
        if properties is None:
            properties = BasicProperties(**({"content_type": "application/json"} | fields))
        self.channel.basic_publish(_ACCOUNTS_IN, routing_key, body, properties)

    def send(self, message: dict[str, Any], **properties: Any) -> None:
        """Send a message as clients do; with more properties if need be."""
        self.publish(
            json_of(message),
            routing_key=account_key(message["debtor_id"], message["creditor_id"]),
            type=message["type"],
            **properties,
        )

    def send_as_server(self, message: dict[str, Any]) -> None:
        """Send a message that only another shard may send; this client has the server's own user."""
        user = unquote(urlsplit(self._deployment.amqp_url).username or "guest")
        self.send(message, user_id=user)

    def wait(
        self,
        find: Callable[[], _T | None],
        what: Callable[[], str],
        seconds: float = PATIENCE_SECONDS,
    ) -> _T:
        """What `find` finds as soon as it finds something."""
        deadline = time.monotonic() + seconds
        while (found := find()) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"in vain: {what()}\n{self._deployment.last_words()}"
            self._connection.process_data_events(left)
        return found

    def fence(self) -> None:
        """Return when everything that was sent before has been answered, and the answers are here.

        One worker takes messages in their order, publishes in their order, and each queue keeps it:
        so three rejections, one through each exchange, are the last to come.
        """
        serial = next(self._serial)
        rejected = {
            "type": "ConfigureAccount",
            "debtor_id": FENCE_DEBTOR,
            "negligible_amount": 0.0,
            "config_flags": 0,
            "config_data": "refused",
            "ts": now(),
            "seqnum": serial,
        }
        self.send(rejected | {"creditor_id": 0})
        self.send(rejected | {"creditor_id": 1})
        self.send(
            {
                "type": "PrepareTransfer",
                "debtor_id": FENCE_DEBTOR,
                "creditor_id": 1,
                "coordinator_type": "direct",
                "coordinator_id": 1,
                "coordinator_request_id": serial,
                "min_locked_amount": 0,
                "max_locked_amount": 0,
                "recipient": "nobody",
                "final_interest_rate_ts": "9999-12-31T23:59:59Z",
                "max_commit_delay": 0,
                "ts": now(),
            }
        )
        inbox = self.inboxes[FENCE_DEBTOR]

        def all_three() -> bool | None:
            arrived = [
                e
                for e in inbox
                if serial in (e.fields.get("config_seqnum"), e.fields.get("coordinator_request_id"))
            ]
            return len(arrived) == 3 or None

        self.wait(all_three, lambda: f"the fence {serial}")
        inbox.clear()
        self.copies[FENCE_DEBTOR].clear()


def account_key(debtor_id: int, creditor_id: int) -> str:
    """The key of an account: 24 bits of a digest."""
    key = debtor_id.to_bytes(8, "big", signed=True) + creditor_id.to_bytes(8, "big", signed=True)
    bits = int.from_bytes(md5(key, usedforsecurity=False).digest()[:3], "big")
    return ".".join(f"{bits:024b}")


def json_of(message: dict[str, Any]) -> bytes:
    """A message as a body."""
    return json.dumps(message, ensure_ascii=False).encode()


def now() -> str:
    """This moment, as clients write it."""
    return datetime.now(UTC).isoformat()
