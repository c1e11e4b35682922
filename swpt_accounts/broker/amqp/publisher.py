"""The publisher to RabbitMQ: a connection and a thread of its own, confirms in bulk."""

from collections import deque
from collections.abc import Iterable, Sequence
from logging import getLogger
from threading import Condition, Thread
from time import monotonic
from typing import Final

import pika.spec

from swpt_accounts.broker.confirms import Confirms, Entry, Job
from swpt_accounts.broker.errors import BrokerProblem, ChannelClosed, ConnectionLost
from swpt_accounts.broker.outage import Outage
from swpt_accounts.broker.settlement import OnSettled, Settlement
from swpt_accounts.broker.waker import Waker
from swpt_accounts.events import Envelope
from swpt_accounts.runtime.standstill import Standstill

from .connection import Connection
from .envelopes import EnvelopeEncoder
from .frames import Confirm, Returned

_CHUNK_MESSAGES: Final = 128
_UNSENT_BYTES: Final = 1 << 20
_IDLE_SECONDS: Final = 3600.0
_logger = getLogger(__name__)


class RabbitmqPublisher:
    """See settlement.Publisher.  Nothing is connected before the first `publish` or `start`.

    After a lost connection everything unanswered is published again on the next one.  A
    broker can also close the channel because of one single message, without saying which;
    then ever smaller groups are published, so that only the culprit is settled as nacked.
    """

    def __init__(
        self,
        amqp_url: str,
        *,
        internal_user: str = "",
        confirm_timeout: float = 30.0,
        max_bytes: int = 32 << 20,
        max_messages: int = 20_000,
    ) -> None:
        self._amqp_url = amqp_url
        self._internal_user = internal_user
        self._confirm_timeout = confirm_timeout
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._changed = Condition()
        self._inbox: deque[Job] = deque()
        self._held_bytes = 0
        self._held_messages = 0
        self._thread: Thread | None = None
        self._stop_at: float | None = None
        self._is_stopped = False
        self._waker = Waker()
        self._connection: Connection | None = None
        self._encoder = EnvelopeEncoder(internal_user)
        # From here on the thread's own.
        self._jobs: deque[Job] = deque()
        self._to_send: deque[Entry] = deque()
        self._confirms = Confirms()
        self._window: int | None = None
        self._refusal_logged = ""
        self._outage = Outage(_logger, "Publisher", Standstill("publisher"))
        self._silence = Standstill("publisher")

    # -- for callers --------------------------------------------------------------

    def start(self) -> None:
        """Connect now; `publish` does it as well."""
        with self._changed:
            if self._thread is None and not self._is_stopped:
                self._thread = Thread(target=self._run, name="publisher", daemon=True)
                self._thread.start()

    def publish(self, envelopes: Sequence[Envelope], on_settled: OnSettled) -> None:
        """Hand envelopes over (see settlement.Publisher)."""
        if not envelopes:
            on_settled(Settlement([]))
            return
        self.start()
        job = Job(envelopes, on_settled, 0.0)
        with self._changed:
            while self._is_full(job) and self._stop_at is None:
                self._changed.wait()
            if self._stop_at is None:
                job.deadline = monotonic() + self._confirm_timeout
                self._held_bytes += job.size
                self._held_messages += len(envelopes)
                self._inbox.append(job)
                self._waker.set()
                return
        job.settle_rest("unanswered")
        job.report()

    def pending(self) -> int:
        """How many envelopes are not settled yet (whole `publish` calls count)."""
        return self._held_messages

    def idle(self) -> bool:
        """Whether everything is settled."""
        return self._held_messages == 0

    @property
    def is_connected(self) -> bool:
        """Whether messages can be published now."""
        connection = self._connection
        return connection is not None and connection.blocked_reason is None

    def stop(self, timeout: float) -> None:
        """Publish what is there, for at most `timeout` seconds; twice is harmless."""
        with self._changed:
            if self._stop_at is None:
                self._stop_at = monotonic() + timeout
            thread = self._thread
            self._changed.notify_all()
            self._waker.set()
        if thread is not None:
            thread.join()
        with self._changed:
            self._is_stopped = True
            self._waker.close()

    def _is_full(self, job: Job) -> bool:
        return self._held_messages > 0 and (
            self._held_bytes + job.size > self._max_bytes
            or self._held_messages + len(job.envelopes) > self._max_messages
        )

    # -- the thread ---------------------------------------------------------------

    def _run(self) -> None:
        while not self._must_end():
            pause = 0.0
            try:
                self._open()
                self._serve()
            except BrokerProblem as problem:
                pause = self._outage.began(problem)
            except Exception:
                _logger.exception("The publisher failed in a way it should not; it connects again.")
                pause = self._outage.began(ConnectionLost("internal error"))
            self._drop_connection()
            self._rest(pause)
        self._take_inbox()
        self._give_up(self._jobs)

    def _must_end(self) -> bool:
        with self._changed:
            return self._stop_at is not None and (self._held_messages == 0 or monotonic() >= self._stop_at)

    def _open(self) -> None:
        connection = Connection(self._amqp_url, "swpt_accounts: publisher", self._waker)
        self._connection = connection
        self._encoder = EnvelopeEncoder(self._internal_user, connection.frame_max)
        connection.call(pika.spec.Confirm.Select(), pika.spec.Confirm.SelectOk)
        self._outage.ended()

    def _serve(self) -> None:
        connection = self._connection
        assert connection is not None, "opened just before"
        while not self._must_end():
            self._take_inbox()
            try:
                more = self._write(connection)
                for frame in connection.receive(0.0 if more else self._patience()):
                    if isinstance(frame, Confirm):
                        self._silence.end()
                        self._settle(self._confirms.confirmed(frame.tag, frame.multiple, frame.is_ack))
                        self._widen()
                    elif isinstance(frame, Returned):
                        self._confirms.returned(frame.delivery)
            except ChannelClosed as problem:
                self._isolate(connection, problem)
            self._expire()

    def _rest(self, pause: float) -> None:
        """Wait before connecting again, while deadlines go on."""
        until = monotonic() + pause
        while (left := until - monotonic()) > 0 and not self._must_end():
            self._waker.wait(min(left, self._patience()))
            self._take_inbox()
            self._expire()

    def _patience(self) -> float:
        """How many seconds nothing needs to be done by itself."""
        now = monotonic()
        until = self._jobs[0].deadline if self._jobs else now + _IDLE_SECONDS
        if self._stop_at is not None:
            until = min(until, self._stop_at)
        return max(0.0, until - now)

    def _take_inbox(self) -> None:
        with self._changed:
            jobs, self._inbox = self._inbox, deque()
        for job in jobs:
            self._jobs.append(job)
            self._to_send.extend((job, index) for index in range(len(job.envelopes)))

    def _write(self, connection: Connection) -> bool:
        """Send one chunk, if the broker and the socket take it; says whether more could follow."""
        if not self._to_send or connection.blocked_reason or connection.unsent_bytes > _UNSENT_BYTES:
            return False
        room = _CHUNK_MESSAGES if self._window is None else self._window - len(self._confirms)
        out: list[bytes] = []
        while self._to_send and room > 0:
            job, index = entry = self._to_send.popleft()
            if job.left:  # else it was given up meanwhile
                self._encoder.frames(job.envelopes[index], out)
                self._confirms.sent(entry)
                room -= 1
        if out:
            connection.send(b"".join(out))
        return room == 0 and self._window is None

    def _isolate(self, connection: Connection, problem: ChannelClosed) -> None:
        """Find the message for which the broker closes the channel, by publishing fewer at a time."""
        suspects = self._take_unanswered()
        if not suspects:
            raise ConnectionLost(str(problem))
        if len(suspects) == 1:
            if self._refusal_logged != str(problem):
                self._refusal_logged = str(problem)
                _logger.error("A message is refused and will be kept: %s", problem)
            job, index = suspects[0]
            job.settle(index, "nacked")
            self._settle([] if job.left else [job])
            self._window = 1
        else:
            self._to_send.extendleft(reversed(suspects))
            self._window = len(suspects) // 2
        connection.open_channel()
        connection.call(pika.spec.Confirm.Select(), pika.spec.Confirm.SelectOk)

    def _widen(self) -> None:
        """After a group that went well, publish more at a time again."""
        if self._window is not None and not self._confirms:
            self._window = 2 * self._window if self._window < _CHUNK_MESSAGES else None

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        self._to_send.extendleft(reversed(self._take_unanswered()))
        if connection is not None:
            connection.close()

    def _take_unanswered(self) -> list[Entry]:
        """What a channel has left unanswered, in order; the next channel counts from 1 again."""
        confirms, self._confirms = self._confirms, Confirms()
        return confirms.unanswered()

    # -- jobs ---------------------------------------------------------------------

    def _settle(self, done: Iterable[Job]) -> None:
        """Report complete jobs and let waiting callers in."""
        for job in done:
            job.report()
            with self._changed:
                self._held_bytes -= job.size
                self._held_messages -= len(job.envelopes)
                self._changed.notify_all()
        while self._jobs and not self._jobs[0].left:
            self._jobs.popleft()

    def _expire(self) -> None:
        """Give up the jobs whose time is over; their rows stay in the outbox."""
        if self._jobs and self._jobs[0].deadline <= (now := monotonic()):
            self._give_up([job for job in self._jobs if job.deadline <= now])
            self._let_go()

    def _let_go(self) -> None:
        """Hold nothing of what was given up: it would pile up while the broker is away or takes nothing.

        Messages that were sent have to be known until they are confirmed, or the connection ends; so
        a broker that takes them and does not answer loses the connection.
        """
        self._to_send = deque(entry for entry in self._to_send if entry[0].left)
        if len(self._confirms) - len(self._confirms.unanswered()) > self._max_messages:
            raise ConnectionLost(f"the broker has not confirmed {len(self._confirms)} messages")

    def _give_up(self, jobs: Iterable[Job]) -> None:
        given_up = [job for job in jobs if job.left]
        for job in given_up:
            job.settle_rest("unanswered")
        if given_up:
            count = sum(len(job.envelopes) for job in given_up)
            _logger.warning("No answer from the broker for up to %d messages; they are kept.", count)
            connection = self._connection
            if connection is not None:  # else the outage has an alarm of its own
                why = connection.blocked_reason or "it does not confirm"
                self._silence.begin(f"the broker takes no messages: {why}", self._confirm_timeout)
                self._silence.look()
        self._settle(given_up)
