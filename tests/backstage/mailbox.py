"""The other side of the broker: sends messages to the server, and keeps all that it answers."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import pika
import pika.exceptions

from swpt_accounts.events import TO_COORDINATORS, TO_CREDITORS, TO_DEBTORS
from swpt_accounts.wire.messages import Message

from .waiting import wait_until
from .wire import body_of, key_of

EVENTS: Final = "events"
"""The queue that gets what the server publishes."""

EXCHANGES: Final = (TO_CREDITORS, TO_DEBTORS, TO_COORDINATORS)


class Mailbox:
    """Everything that the server has published, in order of arrival; reconnects by itself.

    Answers to coordinators reach it once for each exchange that they pass.
    """

    def __init__(
        self,
        amqp_url: str,
        on_events: Callable[[Sequence[Any]], None] | None = None,
        exchanges: Sequence[str] = EXCHANGES,
    ) -> None:
        self._parameters = pika.URLParameters(amqp_url)
        self._on_events = on_events
        self.events: list[dict[str, Any]] = []
        self._is_closing = threading.Event()
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            channel.queue_declare(EVENTS, durable=True)
        for exchange in exchanges:
            self.bind(exchange)
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def bind(self, exchange: str) -> None:
        """Receive what goes to this exchange, from now on."""
        with pika.BlockingConnection(self._parameters) as connection:
            key = "" if exchange == TO_COORDINATORS else "#"
            connection.channel().queue_bind(EVENTS, exchange, key)

    def close(self) -> None:
        """Stop collecting, and take the queue away."""
        self._is_closing.set()
        self._thread.join(10)
        with pika.BlockingConnection(self._parameters) as connection:
            connection.channel().queue_delete(EVENTS)

    def _collect(self) -> None:
        while not self._is_closing.is_set():
            try:
                self._consume()
            except (pika.exceptions.AMQPError, OSError):
                self._is_closing.wait(0.2)  # somebody has closed the connection

    def _consume(self) -> None:
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=1000)
            batch: list[dict[str, Any]] = []
            last = 0
            for method, _, body in channel.consume(EVENTS, inactivity_timeout=0.02):
                if method is not None:
                    batch.append(msgspec.json.decode(body))
                    last = method.delivery_tag
                if batch and (method is None or len(batch) >= 500):
                    self.events += batch
                    if self._on_events is not None:
                        self._on_events(batch)
                    channel.basic_ack(last, multiple=True)
                    batch = []
                if self._is_closing.is_set():
                    return

    # -- sending -------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Send messages to the server, all confirmed."""
        self.send_bodies((body_of(one), key_of(one), type(one).__name__) for one in messages)

    def send_bodies(self, bodies: Iterable[tuple[bytes, str, str]]) -> None:
        """Send (body, routing key, type), all confirmed."""
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            channel.tx_select()
            for body, key, kind in bodies:
                properties = pika.BasicProperties(
                    content_type="application/json", delivery_mode=2, type=kind, app_id="tests"
                )
                channel.basic_publish("accounts_in", key, body, properties)
            channel.tx_commit()

    # -- waiting -------------------------------------------------------------------------------

    def received(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """The events of a kind with these fields."""
        fields["type"] = kind
        return [event for event in list(self.events) if fields.items() <= event.items()]

    def wait_for(self, kind: str, count: int = 1, timeout: float = 90.0, **fields: Any) -> dict[str, Any]:
        """The event that completes `count` events of a kind with these fields."""
        wait_until(lambda: len(self.received(kind, **fields)) >= count, f"{count} {kind} {fields}", timeout)
        return self.received(kind, **fields)[count - 1]
