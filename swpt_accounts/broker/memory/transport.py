"""RabbitMQ's routing in this process: exchanges, bindings, queues, mailboxes.

Nothing outlives the process.  Most tests use it, the demo, and programs that run the server
inside themselves, with the topology, the consumer and the properties of the wire.

A message that is published with a receipt is settled only when every queue that it has reached
has acknowledged it.  So what the memory loses with its process is still with its publisher.

A test looks at what the server has sent through a mailbox, opened before it is sent:

    transport = MemoryTransport()
    transport.declare_topology("swpt_accounts", "#")
    mailbox = transport.open_mailbox("to_creditors", "00.00.00.01.#")
    transport.publish("accounts_in", "0.1", b"{}", content_type="application/json")
    delivery = mailbox.take(timeout=5)        # the oldest, or None
    deliveries = mailbox.take_all()           # what is there now
"""

from collections import deque
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import count
from threading import RLock
from typing import Any, Final, NamedTuple

import msgspec
import pika.spec

from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.errors import ChannelClosed, QueueFull, QueueMissing
from swpt_accounts.broker.topology import EXCHANGE_BINDINGS, EXCHANGES, queues
from swpt_accounts.broker.waker import Waker
from swpt_accounts.events import ACCOUNTS_IN
from swpt_accounts.wire.numbers import MAX_MESSAGE_BYTES

from .receipt import Receipt, settle_all

_MOST_WAITING: Final = 100_000
"""Messages with a receipt that a queue takes, so that one without a consumer does not fill the memory."""

_DEFAULT_EXCHANGE = ""


class _Binding(NamedTuple):
    destination: str
    is_queue: bool
    routing_key: str
    arguments: tuple[tuple[str, str], ...]


class _Waiting(NamedTuple):
    """A message in a queue, or at a consumer."""

    delivery: Delivery
    receipt: Receipt | None


class _Queue:
    """Messages in order, and the wakers of those that wait for them."""

    def __init__(self) -> None:
        self.messages: deque[_Waiting] = deque()
        self.wakers: list[Waker] = []

    def wake(self) -> None:
        for waker in self.wakers:
            waker.set()


class MemoryTransport:
    """Exchanges and queues in memory; every method may be called from any thread."""

    def __init__(self, *, with_receipts: bool = False, most_waiting: int = _MOST_WAITING) -> None:
        self.with_receipts = with_receipts
        """Whether the server's own publishers wait for the acknowledgements of the consumers."""
        self._lock = RLock()
        self._most_waiting = most_waiting
        self._exchanges: dict[str, str] = {}
        self._bindings: dict[str, list[_Binding]] = {}
        self._queues: dict[str, _Queue] = {}
        self._mailbox_numbers = count(1)

    # -- declaring ----------------------------------------------------------------

    def declare_topology(self, queue: str, routing_key: str) -> list[str]:
        """All of rules.md#the-broker; idempotent.  Raises ValueError for a queue name that is not ours."""
        wanted = queues(queue)
        for exchange in EXCHANGES:
            self.declare_exchange(exchange.name, exchange.type)
        for binding in EXCHANGE_BINDINGS:
            self.bind_exchange(binding.destination, binding.source, "", binding.arguments)
        for one in wanted:
            self.declare_queue(one.name)
        self.bind_queue(queue, ACCOUNTS_IN, routing_key)
        return []

    def declare_exchange(self, name: str, kind: str) -> None:
        """Make an exchange of type `topic` or `headers`."""
        with self._lock:
            self._exchanges[name] = kind
            self._bindings.setdefault(name, [])

    def declare_queue(self, name: str) -> None:
        """Make a queue, unless it is there."""
        with self._lock:
            self._queues.setdefault(name, _Queue())

    def bind_queue(
        self, queue: str, exchange: str, routing_key: str, arguments: Mapping[str, str] | None = None
    ) -> None:
        """Let messages of an exchange into a queue."""
        self._bind(exchange, _Binding(queue, True, routing_key, tuple((arguments or {}).items())))

    def bind_exchange(
        self, destination: str, source: str, routing_key: str, arguments: Mapping[str, str] | None = None
    ) -> None:
        """Let messages of one exchange into another."""
        self._bind(source, _Binding(destination, False, routing_key, tuple((arguments or {}).items())))

    def unbind_queue(self, queue: str, exchange: str, routing_key: str) -> None:
        """Take a binding back."""
        with self._lock:
            self._bindings[exchange] = [
                one
                for one in self._bindings[exchange]
                if (one.destination, one.is_queue, one.routing_key) != (queue, True, routing_key)
            ]

    def delete_queue(self, name: str) -> None:
        """Remove a queue with its messages and bindings; who waits for a receipt keeps the message."""
        receipts: list[Receipt] = []
        with self._lock:
            queue = self._queues.pop(name, None)
            for exchange, bindings in self._bindings.items():
                self._bindings[exchange] = [
                    one for one in bindings if not (one.is_queue and one.destination == name)
                ]
            if queue is not None:
                receipts = [one.receipt for one in queue.messages if one.receipt is not None]
                queue.wake()
        settle_all(receipts, "nacked")

    def count_messages(self, queue: str) -> int:
        """How many messages wait in a queue, those at consumers not counted.  Raises QueueMissing."""
        with self._lock:
            return len(self._queue(queue).messages)

    def _bind(self, source: str, binding: _Binding) -> None:
        with self._lock:
            bindings = self._bindings[source]
            if binding not in bindings:
                bindings.append(binding)

    def _queue(self, name: str) -> _Queue:
        queue = self._queues.get(name)
        if queue is None:
            raise QueueMissing(f"queue missing: {name}")
        return queue

    # -- publishing ---------------------------------------------------------------

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        headers: Mapping[str, Any] | None = None,
        content_type: str | None = "application/json",
        type: str | None = None,  # noqa: A002 - the protocol's word
        user_id: str | None = None,
        receipt: Receipt | None = None,
    ) -> bool:
        """Publish as any client could; says whether a queue has taken it (see `publish_raw`)."""
        properties = pika.spec.BasicProperties(
            content_type=content_type,
            headers=dict(headers) if headers is not None else None,
            delivery_mode=2,
            type=type,
            user_id=user_id,
        )
        return self.publish_raw(
            exchange, routing_key, b"".join(properties.encode()), headers or {}, body, receipt
        )

    def publish_raw(
        self,
        exchange: str,
        routing_key: str,
        properties: bytes,
        headers: Mapping[str, Any],
        body: bytes,
        receipt: Receipt | None = None,
    ) -> bool:
        """Publish with properties as they stand on the wire; says whether a queue has taken it.

        The receipt, if there is one, is settled when all of these queues have acknowledged the
        message; if none has taken it, it is not touched.  Raises ChannelClosed, as RabbitMQ does, if
        there is no such exchange, and QueueFull if a queue takes no more messages with receipts.
        """
        is_cut = len(body) > MAX_MESSAGE_BYTES
        message = Delivery(
            tag=0,
            exchange=exchange,
            routing_key=routing_key,
            redelivered=False,
            properties=properties,
            body=body[:MAX_MESSAGE_BYTES],
            body_size=len(body),
            body_sha256=sha256(body).digest() if is_cut else None,
        )
        with self._lock:
            names: set[str] = set()
            self._route(exchange, routing_key, headers, names, set())
            reached = [self._queues[name] for name in names]
            if receipt is not None:
                if any(len(queue.messages) >= self._most_waiting for queue in reached):
                    raise QueueFull(f"a queue takes no more: {', '.join(sorted(names))}")
                receipt.expect(len(reached))
            for queue in reached:
                queue.messages.append(_Waiting(message, receipt))
                queue.wake()
        return bool(names)

    def _route(
        self, exchange: str, key: str, headers: Mapping[str, Any], found: set[str], visited: set[str]
    ) -> None:
        """Collect the names of the queues that a message reaches, each once."""
        if exchange == _DEFAULT_EXCHANGE:
            found.update({key} & self._queues.keys())
            return
        if exchange not in self._exchanges:
            raise ChannelClosed(404, f"NOT_FOUND - no exchange '{exchange}'")
        if exchange in visited:
            return
        visited.add(exchange)
        is_topic = self._exchanges[exchange] == "topic"
        for binding in self._bindings[exchange]:
            if is_topic:
                is_match = topic_matches(binding.routing_key, key)
            else:
                is_match = headers_match(binding.arguments, headers)
            if is_match and binding.is_queue:
                found.add(binding.destination)
            elif is_match:
                self._route(binding.destination, key, headers, found, visited)

    # -- consuming ----------------------------------------------------------------

    def subscribe(self, queue: str, prefetch_count: int, waker: Waker) -> "MemorySource":
        """Consume a queue; the source of a consumer.  Raises QueueMissing."""
        return MemorySource(self, queue, prefetch_count, waker)

    def open_mailbox(
        self, exchange: str, routing_key: str = "#", arguments: Mapping[str, str] | None = None
    ) -> "Mailbox":
        """A queue of its own, bound to an exchange, to look at what is published there."""
        name = f"mailbox-{next(self._mailbox_numbers)}"
        self.declare_queue(name)
        self.bind_queue(name, exchange, routing_key, arguments)
        return Mailbox(self, name)


class MemorySource:
    """A subscription to a queue in memory (see consumer.Source)."""

    def __init__(self, transport: MemoryTransport, queue: str, prefetch_count: int, waker: Waker) -> None:
        self._transport = transport
        self._name = queue
        self._prefetch_count = prefetch_count
        self._waker = waker
        self._unacked: dict[int, _Waiting] = {}
        self._tags = count(1)
        with transport._lock:
            self._queue = transport._queue(queue)
            self._queue.wakers.append(waker)

    def receive(self, timeout: float) -> Sequence[Delivery]:
        """What has arrived; waits at most `timeout` seconds; returns early when woken."""
        deliveries = self._receive_now()
        if not deliveries and timeout > 0:
            self._waker.wait(timeout)
            deliveries = self._receive_now()
        return deliveries

    def beat(self) -> None:
        """Nothing to do: no connection can die."""

    def ack(self, tag: int) -> None:
        """Forget all deliveries up to the tag, and answer those who wait for their receipts."""
        settle_all([one.receipt for one in self._take_up_to(tag) if one.receipt is not None], None)

    def requeue(self, tag: int) -> None:
        """Put all deliveries up to the tag back to the front of the queue."""
        with self._transport._lock:
            back = self._take_up_to(tag)
            if self._is_gone():
                receipts = [one.receipt for one in back if one.receipt is not None]
            else:
                receipts = []
                for one in reversed(back):
                    again = msgspec.structs.replace(one.delivery, redelivered=True)
                    self._queue.messages.appendleft(_Waiting(again, one.receipt))
                self._queue.wake()
        settle_all(receipts, "nacked")

    def close(self) -> None:
        """Put back what is not acknowledged, and end."""
        with self._transport._lock:
            if self._waker in self._queue.wakers:
                self._queue.wakers.remove(self._waker)
            self.requeue(max(self._unacked, default=0))

    def _receive_now(self) -> list[Delivery]:
        with self._transport._lock:
            if self._is_gone():
                raise QueueMissing("the consumer is cancelled: its queue is gone")
            deliveries: list[Delivery] = []
            while self._queue.messages and len(self._unacked) < self._prefetch_count:
                tag = next(self._tags)
                waiting = self._queue.messages.popleft()
                self._unacked[tag] = waiting
                deliveries.append(msgspec.structs.replace(waiting.delivery, tag=tag))
            return deliveries

    def _is_gone(self) -> bool:
        return self._transport._queues.get(self._name) is not self._queue

    def _take_up_to(self, tag: int) -> list[_Waiting]:
        with self._transport._lock:
            return [self._unacked.pop(one) for one in list(self._unacked) if one <= tag]


class Mailbox:
    """Reads a queue in memory; what is taken is gone.  For tests and the demo."""

    def __init__(self, transport: MemoryTransport, queue: str) -> None:
        self._transport = transport
        self._waker = Waker()
        self._source = transport.subscribe(queue, 1, self._waker)
        self.queue = queue

    def take(self, timeout: float = 0.0) -> Delivery | None:
        """The oldest message; waits at most `timeout` seconds for it."""
        for delivery in self._source.receive(timeout):
            self._source.ack(delivery.tag)
            return delivery
        return None

    def take_all(self) -> list[Delivery]:
        """All messages that are there now, in order."""
        taken: list[Delivery] = []
        while (delivery := self.take()) is not None:
            taken.append(delivery)
        return taken

    def close(self) -> None:
        """Remove the mailbox with what is in it."""
        self._transport.delete_queue(self.queue)
        self._waker.close()


@lru_cache(maxsize=65536)
def topic_matches(pattern: str, key: str) -> bool:
    """Whether a binding key of a topic exchange covers a routing key.

    `*` stands for one word, `#` for any number of words.
    """
    return _words_match(tuple(pattern.split(".")), tuple(key.split(".")))


def _words_match(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """One row per word of the pattern: after which numbers of words can we stand?"""
    reached = {0}
    for word in pattern:
        if word == "#":
            reached = set(range(min(reached), len(words) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(words) and word in ("*", words[at])}
        if not reached:
            return False
    return len(words) in reached


def headers_match(arguments: tuple[tuple[str, str], ...], headers: Mapping[str, Any]) -> bool:
    """Whether a binding of a headers exchange, with `x-match` = `all`, covers a message."""
    return all(headers.get(name) == value for name, value in arguments if not name.startswith("x-"))
