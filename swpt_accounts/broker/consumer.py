"""The consumer that Dramatiq's worker pulls on: it turns deliveries into batches.

One batch is out at a time.  While it is worked on, the next one is read and decoded; it
leaves as soon as the previous one has come back, with whatever has arrived by then.  So
an idle server answers one message at once, and under load batches grow by themselves.

In between, when messages come one after the other, batches would be small and many, and each
has a price of its own.  So after a batch of several messages the next one waits a moment.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from logging import getLogger
from time import monotonic
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import dramatiq
import msgspec
from dramatiq.broker import MessageProxy

from swpt_accounts.runtime.pauses import Pauses
from swpt_accounts.runtime.standstill import Standstill

from .batch import Batch, BatchMessage, Delivered
from .delivery import Delivery
from .errors import BrokerProblem
from .outage import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Outage
from .waker import Waker

_GATE_POLL_SECONDS: Final = 0.25
_logger = getLogger(__name__)

Decode: TypeAlias = Callable[[Delivery], Any]


class Source(Protocol):
    """A subscription to a queue.  Its methods may raise BrokerProblem: then it is of no more use."""

    def receive(self, timeout: float) -> Sequence[Delivery]:
        """What has arrived; waits at most `timeout` seconds; returns early when woken."""

    def beat(self) -> None:
        """Stay alive without reading."""

    def ack(self, tag: int) -> None:
        """Acknowledge all deliveries up to the tag; any thread may call this."""

    def requeue(self, tag: int) -> None:
        """Give back all deliveries up to the tag; any thread may call this."""

    def close(self) -> None:
        """Give back what is not acknowledged, and end, within some seconds; never raises."""


class BatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a consumer holds."""

    batch_messages: int = 1000
    batch_bytes: int = 4 << 20
    """A batch ends with the message whose body makes it reach this size."""

    several_messages: int = 8
    apart_seconds: float = 0.015
    """After a batch of several messages, the next one leaves so much later, or as soon as it is full."""

    waiting_bytes: int = 16 << 20
    """When the bodies that wait reach this size, no more are read: TCP holds the rest back."""


def always_open() -> bool:
    """Messages are wanted at any time."""
    return True


class Intake(NamedTuple):
    """What a broker takes in, and how."""

    decode: Decode
    """Makes of a delivery what the batch holds of it; it does not raise."""

    prefetch_count: int = 1000
    """How many messages the broker gives before one of them is acknowledged."""

    limits: BatchLimits = BatchLimits()
    """How large a batch is, and how much waits."""

    is_open: Callable[[], bool] = always_open
    """Asked often: whether messages are wanted now."""


class BatchConsumer(dramatiq.Consumer):
    """Iterates over the batches of a queue; reconnects by itself.

    `open_source` makes a new subscription whenever there is none.  `is_open` is asked
    often: while it says no, the consumer gives back what it holds and stays away, so that
    a long outage of the database does not become the messages' fault (rules.md#failures).
    """

    def __init__(
        self,
        queue_name: str,
        open_source: Callable[[Waker], Source],
        decode: Decode,
        *,
        limits: BatchLimits,
        timeout: float,
        is_open: Callable[[], bool],
    ) -> None:
        self._queue_name = queue_name
        self._open_source = open_source
        self._decode = decode
        self._limits = limits
        self._timeout = timeout
        self._is_open = is_open
        self._waker = Waker()
        self._source: Source | None = None
        # With the moments of arrival, by the monotonic clock.
        self._waiting: deque[tuple[Delivered, float]] = deque()
        self._waiting_bytes = 0
        self._in_flight: Batch | None = None
        self._left_at = 0.0
        self._apart_until = 0.0
        self._not_before = 0.0
        self._retry_at = 0.0
        self._pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._outage = Outage(_logger, f"Consumer of {queue_name}", Standstill("consumer"))
        self._is_shut = False
        self._is_leaving = False
        self._is_closed = False

    @property
    def is_connected(self) -> bool:
        """Whether messages can arrive now."""
        return self._source is not None

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def __next__(self) -> MessageProxy | None:
        """The next batch, or None after the timeout (seconds, from the constructor)."""
        deadline = monotonic() + self._timeout
        while not self._is_closed:
            batch = self._next_batch()
            if batch is not None:
                return BatchMessage(self._queue_name, batch)
            left = deadline - monotonic()
            if left <= 0:
                return None
            self._turn(left)
        raise StopIteration

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge the batch if it is settled, else give it back; from any thread, never raises."""
        if isinstance(message, BatchMessage):
            self._finish(message.batch)

    def nack(self, message: MessageProxy) -> None:
        """The same as `ack`: only the batch itself knows whether its effects are committed."""
        self.ack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back batches that no actor has seen."""
        for message in messages:
            self.ack(message)

    def close(self) -> None:
        """Give back everything that is not acknowledged, and end; twice is harmless."""
        if not self._is_closed:
            self._is_closed = True
            self._drop_source()
            self._waker.close()

    # -- batches ------------------------------------------------------------------

    def _next_batch(self) -> Batch | None:
        if self._in_flight is not None or not self._waiting or monotonic() < self._leaves_at():
            return None
        items: list[Delivered] = []
        size = 0
        received_at = self._waiting[0][1]
        while self._waiting and len(items) < self._limits.batch_messages and size < self._limits.batch_bytes:
            item, _ = self._waiting.popleft()
            size += len(item.delivery.body)
            items.append(item)
        self._waiting_bytes -= size
        self._in_flight = batch = Batch(items, self._source, received_at)
        self._left_at = monotonic()
        return batch

    def _leaves_at(self) -> float:
        """The moment before which what waits is no batch yet."""
        limits = self._limits
        is_full = len(self._waiting) >= limits.batch_messages or self._waiting_bytes >= limits.batch_bytes
        return self._not_before if is_full else max(self._not_before, self._apart_until)

    def _finish(self, batch: Batch) -> None:
        """Answer the broker for a batch, on the source that delivered it and on no other.

        A stale batch needs no answer: the broker has given its messages out again already,
        and doing them twice is harmless.
        """
        source = self._source
        try:
            if source is None or batch.source is not source:
                _logger.debug("%r comes from a former connection; it will be delivered again.", batch)
            elif batch.settled:
                source.ack(batch.last_tag)
            elif not self._is_open():
                # Given back alone, it would be delivered to us once more before we are gone.
                self._is_leaving = True
            else:
                source.requeue(batch.last_tag)
        except BrokerProblem as problem:
            _logger.debug("%r could not be answered (%s); it will be delivered again.", batch, problem)
        is_one_of_many = len(batch) >= self._limits.several_messages
        self._apart_until = self._left_at + self._limits.apart_seconds if is_one_of_many else 0.0
        if batch.settled:
            self._pauses.reset()
        else:
            # What failed will probably fail again at once; messages must not spin.
            self._not_before = monotonic() + self._pauses.draw()
        if self._in_flight is batch:
            self._in_flight = None
        self._waker.set()

    # -- the source ---------------------------------------------------------------

    def _turn(self, left: float) -> None:
        """Do what is to be done now, or wait for it at most `left` seconds."""
        if self._is_leaving:
            self._drop_source()
        if not self._is_open():
            self._shut()
            self._waker.wait(min(left, _GATE_POLL_SECONDS))
        elif self._source is None:
            self._reopen(left)
        else:
            self._is_shut = False
            self._read(self._source, left)

    def _read(self, source: Source, left: float) -> None:
        if self._waiting and self._in_flight is None:
            # Its time may have come since it was looked at; then nothing else would wake us.
            left = min(left, max(0.0, self._leaves_at() - monotonic()))
        try:
            if self._waiting_bytes >= self._limits.waiting_bytes:
                source.beat()
                self._waker.wait(left)
                return
            deliveries = source.receive(left)
            arrived_at = monotonic()
            for delivery in deliveries:
                self._waiting.append((Delivered(delivery, self._decoded(delivery)), arrived_at))
                self._waiting_bytes += len(delivery.body)
        except BrokerProblem as problem:
            self._drop_source()
            self._retry_at = monotonic() + self._outage.began(problem)

    def _decoded(self, delivery: Delivery) -> Any:
        try:
            return self._decode(delivery)
        except Exception as error:
            # A worker must not stop because of the content of a message.
            _logger.exception("Decoding failed in a way it should not; %r goes on with the error.", delivery)
            return error

    def _reopen(self, left: float) -> None:
        pause = self._retry_at - monotonic()
        if pause > 0:
            self._waker.wait(min(left, pause))
            return
        try:
            self._source = self._open_source(self._waker)
        except BrokerProblem as problem:
            self._retry_at = monotonic() + self._outage.began(problem)
        else:
            self._outage.ended()

    def _shut(self) -> None:
        if not self._is_shut:
            self._is_shut = True
            _logger.warning("Consumer of %s: closed on purpose until it is wanted again.", self._queue_name)
        self._drop_source()

    def _drop_source(self) -> None:
        source, self._source, self._is_leaving = self._source, None, False
        self._waiting.clear()
        self._waiting_bytes = 0
        if source is not None:
            source.close()
