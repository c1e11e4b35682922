"""The transport over RabbitMQ: a thread that keeps a connection, and opens a new one when it ends."""

import random
from collections.abc import Sequence
from logging import CRITICAL, NOTSET, getLogger
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

import pika

from swpt_client.bindings import Binding
from swpt_client.transport.base import Inbox, Publication

from .life import Life, Topology, describe

_logger = getLogger(__name__)
_SERVER_QUEUE: Final = "swpt_accounts"
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 10.0
_STEADY_SECONDS: Final = 5.0
"""A connection that has held for so long begins anew with short pauses."""


class RabbitmqTransport:
    """See base.Transport.

    `url` is the broker's (`amqp://` or `amqps://`), `queue` names the client's own queue.  The queue is
    declared as a quorum queue, with a second one, `<queue>.XQ`, for what the broker gives up; if it
    exists in another form, it is used as it is.  The exchanges are the server's affair: while they
    are missing, the transport tries again.

    With `with_user_id` each message names its sender, the user of `url`, for whom the broker vouches: a
    server with a table of peers asks for that.  A shovel on the way needs the tag `impersonator` then.

    On RabbitMQ 4 and later set a policy without a delivery limit for the queue.
    """

    def __init__(
        self, url: str, queue: str, *, prefetch_count: int = 2000, with_user_id: bool = False
    ) -> None:
        """Raises ValueError for a URL that is none, and for a queue that a server has by default."""
        if not url.startswith(("amqp://", "amqps://")):
            raise ValueError("the broker's URL must begin with amqp:// or amqps://")
        if not queue or len(queue.encode()) > 200:
            raise ValueError("a queue must have a name of 1 to 200 bytes")
        if queue == _SERVER_QUEUE or queue.startswith(f"{_SERVER_QUEUE}."):
            raise ValueError(f"{queue} is the queue of the server: the client needs one of its own")
        _quieten_pika()
        self._parameters = pika.URLParameters(url)
        self._parameters.client_properties = {"connection_name": f"swpt_client {queue}"}
        self._queue = queue
        self._prefetch_count = prefetch_count
        self._with_user_id = with_user_id
        self._lock = Lock()
        self._life: Life | None = None
        self._inbox: Inbox | None = None
        self._topology: Topology | None = None
        self._channel = 0
        self._is_wanted = Event()
        self._is_stopping = Event()
        self._thread: Thread | None = None

    @property
    def is_connected(self) -> bool:
        """Whether publications are taken now."""
        life = self._life
        return life is not None and life.is_ready

    def start(self, inbox: Inbox, bindings: Sequence[Binding]) -> None:
        """Begin; returns at once, also while the broker is away."""
        assert self._thread is None, "a transport is started once"
        self._inbox = inbox
        self._topology = Topology(self._queue, bindings, self._prefetch_count)
        self._is_stopping.clear()
        self._is_wanted.set()
        self._thread = Thread(target=self._run, name=f"smp-{self._queue}", daemon=True)
        self._thread.start()

    def publish(self, publications: Sequence[Publication]) -> None:
        """Take messages; each will be settled."""
        assert self._inbox is not None, "a transport is started before it is used"
        life = self._life
        if life is not None and life.is_ready and life.publish(publications):
            return
        self._inbox.settle([one.number for one in publications], "unanswered")

    def ack(self, channel: int, tag: int) -> None:
        """All that a channel has brought up to a tag is stored; a channel that is gone knows no tags."""
        with self._lock:
            life = self._life
            if life is not None and channel == self._channel:
                life.call(lambda: life.ack(tag))

    def pause(self) -> None:
        """Close the connection, so that the broker can give the messages to others."""
        self._is_wanted.clear()
        self._end_life()

    def resume(self) -> None:
        """Connect again."""
        self._is_wanted.set()

    def stop(self, timeout: float) -> None:
        """End; what is not acknowledged will come again."""
        self._is_stopping.set()
        self._is_wanted.set()
        self._end_life()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                _logger.warning("The connection to the broker does not end within %.1f s", timeout)
            self._thread = None

    def _end_life(self) -> None:
        with self._lock:
            life = self._life
            if life is not None:
                life.call(life.end)

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        told = ""
        while not self._is_stopping.is_set():
            if not self._is_wanted.wait(_LONGEST_PAUSE_SECONDS):
                continue
            problem, held = self._live()
            if held >= _STEADY_SECONDS:
                pause, told = _FIRST_PAUSE_SECONDS, ""
            if self._is_stopping.is_set() or not self._is_wanted.is_set():
                continue
            if problem != told:
                _logger.warning("The broker is away (%s); it is tried again", problem)
                told = problem
            self._is_stopping.wait(pause * random.uniform(0.7, 1.3))  # noqa: S311 - not a secret
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _live(self) -> tuple[str, float]:
        """One connection; why it has ended, and for how many seconds it was of use."""
        assert self._inbox is not None
        assert self._topology is not None
        life: Life | None = None
        try:
            self._channel += 1
            credentials = self._parameters.credentials
            user_id = credentials.username if self._with_user_id else None
            life = Life(self._parameters, self._topology, self._inbox, self._channel, user_id)
            with self._lock:
                self._life = life
            if self._is_stopping.is_set() or not self._is_wanted.is_set():
                life.call(life.end)
            life.run()
        except Exception as error:
            problem = "" if life is None else life.problem
            # pika does not like to be ended while it begins; why that was done is known then.
            if not problem and not self._is_stopping.is_set():
                _logger.exception("The connection to the broker has failed")
            return problem or describe(error), 0.0
        finally:
            with self._lock:
                self._life = None
        return life.problem, 0.0 if life.ready_at is None else monotonic() - life.ready_at


def _quieten_pika() -> None:
    """It writes seven errors for each attempt to connect; we write one line.  Who wants them sets a level."""
    logger = getLogger("pika")
    if logger.level == NOTSET:
        logger.setLevel(CRITICAL)
