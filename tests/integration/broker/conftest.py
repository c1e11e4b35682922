"""A running worker on RabbitMQ, and a wire between us and it that can be cut."""

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import dramatiq
import pika
import pytest
from dramatiq import Worker

from swpt_accounts.broker import Batch, Delivery, Intake, RabbitmqPublisher, RabbitmqSmpBroker, Settlement
from swpt_accounts.events import Envelope

QUEUE = "swpt_accounts"


def body_of(delivery: Delivery) -> bytes:
    """The simplest of all decoders."""
    return delivery.body


class Server:
    """A worker that collects what it is given."""

    def __init__(self, amqp_url: str, **options: Any) -> None:
        self.broker = RabbitmqSmpBroker(amqp_url, Intake(body_of, **options))
        self.batches: list[Batch] = []
        self.on_batch: Callable[[Batch], None] = Batch.settle
        for actor in (self.take_batch, self.configure_account):
            dramatiq.actor(broker=self.broker, queue_name=QUEUE, actor_name=actor.__name__)(actor)

    def take_batch(self, batch: Batch) -> None:
        self.on_batch(batch)
        self.batches.append(batch)

    def configure_account(self, **members: Any) -> None:
        """It is only sent to."""

    def deliveries(self) -> list[Delivery]:
        """Everything that has come, in order."""
        return [item.delivery for batch in list(self.batches) for item in batch.items]

    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries()]

    @property
    def is_connected(self) -> bool:
        return any(consumer.is_connected for consumer in self.broker.consumers)

    @contextmanager
    def running(self) -> Iterator["Server"]:
        worker = Worker(self.broker, worker_threads=1, worker_timeout=100)
        worker.start()
        try:
            yield self
        finally:
            worker.stop()
            self.broker.close()


class Collector:
    """Collects settlements, and waits for them."""

    def __init__(self) -> None:
        self.settlements: list[Settlement] = []
        self._changed = threading.Condition()

    def __call__(self, settlement: Settlement) -> None:
        with self._changed:
            self.settlements.append(settlement)
            self._changed.notify_all()

    def wait(self, count: int, timeout: float = 90.0) -> list[Settlement]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.settlements) >= count, timeout)
            return self.settlements


def envelope(number: int, exchange: str = "", key: str = QUEUE, **changes: Any) -> Envelope:
    """An envelope that goes straight to the server's queue, unless told otherwise."""
    fields: dict[str, Any] = {
        "exchange": exchange,
        "routing_key": key,
        "type": "AccountPurge",
        "debtor_id": -1,
        "creditor_id": 2**32 + number,
        "coordinator_type": None,
        "coordinator_id": None,
        "mandatory": True,
        "body": b'{"n":%d}' % number,
    }
    return Envelope(**(fields | changes))


def publish_all(publisher: RabbitmqPublisher, envelopes: Sequence[Envelope], step: int = 500) -> Collector:
    """Hand envelopes over in groups; wait until all are settled."""
    collector = Collector()
    starts = range(0, len(envelopes), step)
    for start in starts:
        publisher.publish(envelopes[start : start + step], collector)
    collector.wait(len(starts))
    return collector


def send_bodies(amqp_url: str, bodies: Sequence[bytes]) -> None:
    """Put bodies on the server's queue, all confirmed."""
    publisher = RabbitmqPublisher(amqp_url)
    collector = publish_all(publisher, [envelope(0, body=body) for body in bodies])
    publisher.stop(5)
    assert all(not settlement.unsettled for settlement in collector.settlements)


def read_all(amqp_url: str, queue: str = QUEUE) -> list[bytes]:
    """Take everything from a queue, by pika."""
    bodies: list[bytes] = []
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        while (found := channel.basic_get(queue, auto_ack=True))[0] is not None:
            bodies.append(found[2])
    return bodies


class Wire:
    """A port that leads to the broker, with TLS if wanted, and that can go silent."""

    def __init__(self, amqp_url: str, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(amqp_url)
        self._target = (parts.hostname, parts.port or 5672)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ends: dict[socket.socket, socket.socket] = {}
        self._closing = threading.Event()
        self.is_silent = threading.Event()
        port = self._listener.getsockname()[1]
        scheme = "amqps" if context else "amqp"
        self.url = parts._replace(scheme=scheme, netloc=f"guest:guest@127.0.0.1:{port}").geturl()
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(5)
        for end in (*self._ends, self._listener):
            end.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            if self.is_silent.is_set():
                self._closing.wait(0.02)
                continue
            ready: list[socket.socket] = [
                end for end in self._ends if isinstance(end, ssl.SSLSocket) and end.pending()
            ]
            if not ready:
                ready = select.select([self._listener, *self._ends], [], [], 0.02)[0]
            for end in ready:
                if end is self._listener:
                    self._accept()
                elif end in self._ends:
                    self._forward(end)

    def _accept(self) -> None:
        near = self._listener.accept()[0]
        try:
            near = self._context.wrap_socket(near, server_side=True) if self._context else near
        except OSError:
            near.close()
            return
        far = socket.create_connection(self._target)
        self._ends |= {near: far, far: near}

    def _forward(self, end: socket.socket) -> None:
        other = self._ends[end]
        try:
            data = end.recv(65536)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for one in (end, other):
                del self._ends[one]
                one.close()


@pytest.fixture
def vhost(amqp_url: str) -> str:
    """The name of the test's virtual host."""
    return unquote(urlsplit(amqp_url).path[1:])


@pytest.fixture
def cut(vhost, rabbitmqctl) -> Callable[[], None]:
    """Closes all connections to the virtual host, as an operator could."""
    return lambda: rabbitmqctl("-q", "close_all_connections", "-p", vhost, "cut by a test")


@pytest.fixture
def wire(amqp_url) -> Iterator[Wire]:
    """A wire to the broker that can go silent."""
    wire = Wire(amqp_url)
    yield wire
    wire.close()
