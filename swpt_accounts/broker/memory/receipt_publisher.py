"""A publisher in this process that settles what its consumers have acknowledged, and nothing before."""

from collections.abc import Sequence
from functools import partial
from threading import Condition
from time import monotonic
from typing import Final

from swpt_accounts.broker.amqp.envelopes import EnvelopeEncoder
from swpt_accounts.broker.confirms import Job
from swpt_accounts.broker.settlement import OnSettled, Reason, Settlement
from swpt_accounts.events import Envelope

from .envelopes import publish_envelope
from .receipt import Receipt
from .transport import MemoryTransport

_MOST_PENDING: Final = 20_000
"""Envelopes on their way; what is more waits in the outbox, not in memory."""


class ReceiptPublisher:
    """See settlement.Publisher.

    It has no thread: `publish` puts messages into the queues, and `on_settled` is called in the
    thread of the consumer that has acknowledged the last of them.
    """

    def __init__(
        self, transport: MemoryTransport, *, internal_user: str = "", most_pending: int = _MOST_PENDING
    ) -> None:
        self._transport = transport
        self._encoder = EnvelopeEncoder(internal_user)
        self._most_pending = most_pending
        self._changed = Condition()
        self._open: dict[int, Job] = {}
        self._pending = 0
        self._is_stopped = False

    def start(self) -> None:
        """There is nothing to connect to."""

    def publish(self, envelopes: Sequence[Envelope], on_settled: OnSettled) -> None:
        """Hand envelopes over (see settlement.Publisher); too many are settled as unanswered at once."""
        if not envelopes:
            on_settled(Settlement([]))
            return
        job = Job(envelopes, on_settled, deadline=float("inf"))
        with self._changed:
            is_taken = not self._is_stopped and self._pending + len(envelopes) <= self._most_pending
            if is_taken:
                self._open[id(job)] = job
                self._pending += len(envelopes)
        if not is_taken:
            job.settle_rest("unanswered")
            job.report()
            return
        for index, envelope in enumerate(envelopes):
            self._publish(job, index, envelope)

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
        """Wait for receipts for at most `timeout` seconds; the rest is settled as unanswered."""
        limit = monotonic() + timeout
        with self._changed:
            self._is_stopped = True
            while self._open and (left := limit - monotonic()) > 0:
                self._changed.wait(left)
            jobs = list(self._open.values())
            self._open.clear()
            self._pending = 0
            for job in jobs:
                job.settle_rest("unanswered")
        for job in jobs:
            job.report()

    def _publish(self, job: Job, index: int, envelope: Envelope) -> None:
        receipt = Receipt(partial(self._settle, job, index))
        reason = publish_envelope(self._transport, self._encoder, envelope, receipt)
        if not receipt.is_on_its_way:
            self._settle(job, index, reason)

    def _settle(self, job: Job, index: int, reason: Reason | None) -> None:
        with self._changed:
            if id(job) not in self._open:
                return
            job.settle(index, reason)
            if job.left:
                return
            del self._open[id(job)]
            self._pending -= len(job.envelopes)
            self._changed.notify_all()
        job.report()
