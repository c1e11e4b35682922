"""The SMP broker on the transport in this process: nothing needs to be installed or running."""

from collections.abc import Sequence
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic

from dramatiq import Middleware

from swpt_accounts.broker.amqp.envelopes import EnvelopeEncoder
from swpt_accounts.broker.confirms import Job
from swpt_accounts.broker.consumer import Intake, Source
from swpt_accounts.broker.errors import NotRouted
from swpt_accounts.broker.settlement import OnSettled, Publisher, Settlement
from swpt_accounts.broker.smp_broker import SmpBroker
from swpt_accounts.broker.waker import Waker
from swpt_accounts.events import Envelope

from .envelopes import publish_envelope
from .receipt_publisher import ReceiptPublisher
from .transport import MemoryTransport


class MemorySmpBroker(SmpBroker):
    """See smp_broker.SmpBroker.  Brokers that share a `transport` share its queues."""

    def __init__(
        self, transport: MemoryTransport, intake: Intake, middleware: Sequence[Middleware] = ()
    ) -> None:
        super().__init__(intake, middleware)
        self.transport = transport

    def declare_topology(self, queue: str, routing_key: str) -> list[str]:
        """The topology of the wire, in memory."""
        return self.transport.declare_topology(queue, routing_key)

    def make_publisher(self, *, internal_user: str = "", confirm_timeout: float = 30.0) -> Publisher:
        """A publisher with a thread of its own.

        Where messages travel with receipts it waits for them as long as it takes: an answer that is
        not acknowledged yet is not late.
        """
        if self.transport.with_receipts:
            return ReceiptPublisher(self.transport, internal_user=internal_user)
        return MemoryPublisher(self.transport, internal_user=internal_user, confirm_timeout=confirm_timeout)

    def count_messages(self, queue: str) -> int:
        """How many messages wait in a queue.  Raises QueueMissing."""
        return self.transport.count_messages(queue)

    def _open_source(self, queue_name: str, waker: Waker) -> Source:
        return self.transport.subscribe(queue_name, self._intake.prefetch_count, waker)

    def _send(self, envelope: Envelope) -> None:
        if publish_envelope(self.transport, EnvelopeEncoder(), envelope) is not None:
            raise NotRouted(f"no queue takes {envelope.type} to {envelope.exchange}")


class MemoryPublisher:
    """See settlement.Publisher.  Its thread starts with the first `publish`."""

    def __init__(
        self, transport: MemoryTransport, *, internal_user: str = "", confirm_timeout: float = 30.0
    ) -> None:
        self._transport = transport
        self._encoder = EnvelopeEncoder(internal_user)
        self._confirm_timeout = confirm_timeout
        self._inbox: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = Lock()
        self._pending = 0
        self._thread: Thread | None = None
        self._stop_at: float | None = None

    def start(self) -> None:
        """There is nothing to connect to."""

    def publish(self, envelopes: Sequence[Envelope], on_settled: OnSettled) -> None:
        """Hand envelopes over (see settlement.Publisher)."""
        if not envelopes:
            on_settled(Settlement([]))
            return
        job = Job(envelopes, on_settled, monotonic() + self._confirm_timeout)
        with self._lock:
            if self._stop_at is None:
                self._pending += len(envelopes)
                self._inbox.put(job)
                if self._thread is None:
                    self._thread = Thread(target=self._run, name="publisher", daemon=True)
                    self._thread.start()
                return
        job.settle_rest("unanswered")
        job.report()

    def pending(self) -> int:
        """How many envelopes are not settled yet."""
        return self._pending

    def idle(self) -> bool:
        """Whether everything is settled."""
        return self._pending == 0

    @property
    def is_connected(self) -> bool:
        """Always: there is nothing to connect to."""
        return True

    def stop(self, timeout: float) -> None:
        """Publish what is there, for at most `timeout` seconds; twice is harmless."""
        with self._lock:
            if self._stop_at is None:
                self._stop_at = monotonic() + timeout
                self._inbox.put(None)
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while (job := self._inbox.get()) is not None:
            if self._stop_at is not None and monotonic() >= self._stop_at:
                job.settle_rest("unanswered")
            for index, envelope in enumerate(job.envelopes):
                job.settle(index, publish_envelope(self._transport, self._encoder, envelope))
            job.report()
            with self._lock:
                self._pending -= len(job.envelopes)
