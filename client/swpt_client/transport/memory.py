"""Messages within one process, on the queues of an embedded server.

A publication is settled when the server has committed it; an event is acknowledged when we have.
So both sides keep what is under way in their databases, and a killed process loses nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from logging import getLogger
from threading import Event, Lock, Thread
from time import sleep
from typing import Any, Final, Protocol

from swpt_client.bindings import Binding
from swpt_client.messages import CONTENT_TYPE

from .base import Delivery, Inbox, Publication

_logger = getLogger(__name__)
_WAIT_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.2


class Source(Protocol):
    """A subscription to a queue of the process."""

    def receive(self, timeout: float) -> Sequence[Any]:
        """What has arrived; waits at most `timeout` seconds, or until it is woken."""

    def ack(self, tag: int) -> None:
        """Forget all deliveries up to the tag."""

    def wake(self) -> None:
        """Let a `receive` that waits return."""

    def close(self) -> None:
        """Put back what is not acknowledged, and end."""


class Hub(Protocol):
    """The queues of the process; `embedded` makes one of a server's."""

    def declare(self, queue: str, bindings: Sequence[Binding]) -> None:
        """Make a queue, and bind it."""

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        headers: Mapping[str, Any],
        type: str,  # noqa: A002 - the protocol's word
        on_settled: Callable[[str | None], None],
    ) -> str | None:
        """Publish; gives a reason if nobody takes it, else `on_settled` is called once."""

    def subscribe(self, queue: str, prefetch_count: int) -> Source:
        """Consume a queue."""


class MemoryTransport:
    """See base.Transport.  `queue` names the client's queue; two clients of a process need two."""

    def __init__(self, hub: Hub, queue: str, *, prefetch_count: int = 2000) -> None:
        self._hub = hub
        self._queue = queue
        self._prefetch_count = prefetch_count
        self._inbox: Inbox | None = None
        self._lock = Lock()
        self._source: Source | None = None
        self._channel = 0
        self._is_open = Event()
        self._is_stopping = False
        self._thread: Thread | None = None

    @property
    def is_connected(self) -> bool:
        """Whether publications are taken now."""
        return self._inbox is not None and not self._is_stopping

    def start(self, inbox: Inbox, bindings: Sequence[Binding]) -> None:
        """Make the queue, and begin to consume it."""
        self._hub.declare(self._queue, bindings)
        self._inbox = inbox
        self._is_stopping = False
        self._is_open.set()
        self._thread = Thread(target=self._run, name=f"smp-{self._queue}", daemon=True)
        self._thread.start()
        inbox.connect()

    def publish(self, publications: Sequence[Publication]) -> None:
        """Hand messages over; each is settled when the server has committed it."""
        inbox = self._inbox
        assert inbox is not None, "a transport is started before it is used"
        for one in publications:
            envelope = one.envelope
            reason = self._hub.publish(
                envelope.exchange,
                envelope.routing_key,
                envelope.body,
                headers=envelope.headers,
                type=envelope.type,
                on_settled=partial(inbox.settle, [one.number]),
            )
            if reason is not None:
                inbox.settle([one.number], reason)

    def ack(self, channel: int, tag: int) -> None:
        """All up to a tag is stored."""
        with self._lock:
            if channel == self._channel and self._source is not None:
                self._source.ack(tag)

    def pause(self) -> None:
        """Give back what is not acknowledged, and bring nothing."""
        self._is_open.clear()
        self._wake()

    def resume(self) -> None:
        """Go on."""
        self._is_open.set()

    def stop(self, timeout: float) -> None:
        """End; what is not acknowledged comes again to who consumes the queue next."""
        self._is_stopping = True
        self._is_open.set()
        self._wake()
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread = None

    def _wake(self) -> None:
        with self._lock:
            if self._source is not None:
                self._source.wake()

    def _run(self) -> None:
        while not self._is_stopping:
            self._is_open.wait()
            try:
                self._consume()
            except Exception:
                _logger.exception("The queue %s cannot be consumed; it is tried again", self._queue)
                sleep(_PAUSE_SECONDS)

    def _consume(self) -> None:
        """Only this thread receives and closes: nothing is received by a source that is closed."""
        source = self._hub.subscribe(self._queue, self._prefetch_count)
        with self._lock:
            self._source = source
            self._channel += 1
        try:
            while self._is_open.is_set() and not self._is_stopping:
                self._receive(source)
        finally:
            with self._lock:
                self._source = None
                source.close()
            if self._inbox is not None:
                self._inbox.lose(self._channel)

    def _receive(self, source: Source) -> None:
        channel = self._channel
        found = source.receive(_WAIT_SECONDS)
        if found and self._inbox is not None:
            self._inbox.deliver(
                [
                    Delivery(
                        body=one.body,
                        content_type=one.content_type or CONTENT_TYPE,
                        type=one.type,
                        exchange=one.exchange,
                        routing_key=one.routing_key,
                        channel=channel,
                        tag=one.tag,
                        is_repeated=one.redelivered,
                    )
                    for one in found
                ]
            )
