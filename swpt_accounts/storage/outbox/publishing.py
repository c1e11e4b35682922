"""The outbox: carries committed events to the broker, and keeps what the broker did not take.

See rules.md#publishing.  A transaction stores its events as one row (see `storing`), and after
the commit the same process publishes them from memory.  A thread of its own removes the rows that
are confirmed, and takes a row apart of which something is left: what no queue wants goes on in a row for
each peer, all else in rows of single events.  The relay tries them again.

Every row names who publishes it, by the number of an advisory lock that the connection which wrote
the row holds as long as it lives.  So the relay can take over at once the rows of a process that is
gone, and never those of one that lives.  A process that has lost its connection does not know
what became of its last commit: it goes on under a new number, and what it may have left under the
old one is the relay's.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from logging import getLogger
from threading import Condition, Event, Thread
from time import monotonic
from typing import Any, Final, NamedTuple

import psycopg2
from psycopg2.extras import Json, execute_values

from swpt_accounts.broker.settlement import Publisher, Reason, Settlement
from swpt_accounts.events import Envelope, decode
from swpt_accounts.runtime import metrics
from swpt_accounts.runtime.errors import first_line
from swpt_accounts.runtime.pauses import Pauses
from swpt_accounts.runtime.standstill import Standstill
from swpt_accounts.storage import connections
from swpt_accounts.wire.moments import Moment, seconds

from .peers import Peer, Silence, leftovers
from .rows import FORGET_ROWS, INSERT_ROWS, Stored, pack_accounts, pack_bodies

# Confirmed rows are removed together, this long after the first of them was confirmed: one small
# transaction for many rows.  Nobody waits for it.
_GATHER_SECONDS: Final = 0.1
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 10.0
_LONGEST_OUTAGE_PAUSE_SECONDS: Final = 3.0

_logger: Final = getLogger(__name__)

_TAKE_BATCH_ROW: Final = "DELETE FROM outbox WHERE outbox_id = %s RETURNING created_at"

# What has waited with the row that tried the way is published now, unless an operator has parked it.
_LET_GO: Final = """
UPDATE outbox SET next_attempt_at = %(now)s, last_failure = NULL
WHERE outbox_id = ANY(%(ids)s) AND publisher_key IS NULL AND next_attempt_at IS NOT NULL
"""

_PUT_OFF: Final = """
UPDATE outbox SET publisher_key = NULL, attempts = %(attempts)s, next_attempt_at = %(next_attempt_at)s,
    last_failure = %(last_failure)s
WHERE outbox_id = %(outbox_id)s
"""


class RetryDelays(NamedTuple):
    """Pauses in seconds between the attempts to publish an event (rule O4)."""

    least: float
    most: float

    def draw(self, attempts: int, reason: Reason) -> float:
        """The pause after so many attempts: it doubles, and varies at random (rule O4).

        No answer is the fault of an outage, which has an end: then nothing should wait for long.
        """
        most = self.most
        if reason == "unanswered":
            most = min(most, max(self.least, _LONGEST_PAUSE_SECONDS))
        pause: float = min(most, self.least * 2.0 ** min(attempts - 1, 40))
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret


class Scout(NamedTuple):
    """What a row is that tries the way to a peer: for which way, and for which rows that wait."""

    way: Peer
    waiting: Sequence[int]


class Work(NamedTuple):
    """A row that the publisher has answered for."""

    outbox_id: int
    envelopes: Sequence[Envelope]
    attempts: int
    unsettled: Sequence[tuple[int, Reason]]
    scout: Scout | None = None


class Outbox:
    """The publishing side of a process.  `hand_over` may be called from any thread."""

    def __init__(
        self,
        postgres_url: str,
        publisher: Publisher,
        delays: RetryDelays,
        clock: Callable[[], Moment],
    ) -> None:
        self.publisher_key = 0
        self.silence = Silence()
        self._standstill = Standstill("outbox")
        self._postgres_url = postgres_url
        self._publisher = publisher
        self._delays = delays
        self._clock = clock
        self._done: list[Work] = []
        self._changed = Condition()
        self._is_stopping = Event()
        self._connection: Any = None
        self._thread = Thread(target=self._keep, name="outbox", daemon=True)

    def start(self) -> None:
        """Start the thread that keeps the table; it connects when there is something to do."""
        self._thread.start()

    @property
    def is_connected(self) -> bool:
        """Whether the broker takes messages now, as far as we know."""
        return self._publisher.is_connected

    @property
    def pending(self) -> int:
        """How many events were handed over, and are not answered for."""
        return self._publisher.pending()

    def connect(self) -> None:
        """Begin to connect to the broker, before there is anything to publish."""
        self._publisher.start()

    def sign_in(self, connection: Any) -> None:
        """Sign the rows that this connection will write with a new number, for as long as it lives."""
        key = random.getrandbits(62)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [key])
        self.publisher_key = key

    def draw_delay(self, attempts: int, reason: Reason) -> Moment:
        """How long an event waits after so many attempts, in microseconds."""
        return seconds(self._delays.draw(attempts, reason))

    def hand_over(
        self,
        stored: Stored,
        attempts: int = 0,
        received_at: float | None = None,
        scout: Scout | None = None,
    ) -> None:
        """Publish the events of a committed row, which had `attempts` before, at once (rule O1).

        If they answer messages, the first of these arrived at `received_at` by the monotonic clock.  If
        they try the way to a peer for other rows, `scout` names these.
        """
        outbox_id, envelopes = stored.outbox_id, stored.envelopes
        handed_over_at = monotonic()

        def settled(settlement: Settlement) -> None:
            with self._changed:
                self._done.append(Work(outbox_id, envelopes, attempts, settlement.unsettled, scout))
                self._changed.notify()
            if not settlement.unsettled:
                _time(handed_over_at, received_at)

        self._publisher.publish(envelopes, settled)

    def stop(self, timeout: float) -> None:
        """Publish what is there for at most `timeout` seconds, write down the rest, and end."""
        self._publisher.stop(timeout)
        self._is_stopping.set()
        with self._changed:
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(timeout=5.0)
        if self._connection is not None:
            self._connection.close()

    # -- the keeper's thread -------------------------------------------------------------------

    def _keep(self) -> None:
        pauses = Pauses(_FIRST_PAUSE_SECONDS, _LONGEST_OUTAGE_PAUSE_SECONDS)
        work: list[Work] = []
        while True:
            with self._changed:
                if not self._done and not work and not self._is_stopping.is_set():
                    self._changed.wait()
            if not self._is_stopping.is_set():
                self._is_stopping.wait(_GATHER_SECONDS)
            with self._changed:
                work += self._done
                self._done = []
            if not work and self._is_stopping.is_set():
                return
            try:
                self._settle_all(work)
            except psycopg2.Error as error:
                self._disconnect()
                self._standstill.begin(first_line(error))
                self._standstill.look()
                if self._is_stopping.is_set():
                    _logger.warning("Outbox: %s; another process will clean up.", first_line(error))
                    return
                pause = pauses.draw()
                _logger.warning("Outbox: %s; trying again in %.1f s.", first_line(error), pause)
                self._is_stopping.wait(pause)
            else:
                work = []
                pauses.reset()
                self._standstill.end()

    def _settle_all(self, work: Sequence[Work]) -> None:
        """Settle together; one by one if one of them is broken, so that it delays nothing."""
        try:
            self._settle(work)
        except psycopg2.Error:
            raise
        except Exception:
            _logger.exception("ALARM: rows of the outbox cannot be settled together; trying one by one")
            for one in work:
                try:
                    self._settle([one])
                except psycopg2.Error:
                    raise
                except Exception:
                    # It stays in the table, and is published again when this process is gone.
                    _logger.exception("ALARM: the row %d of the outbox cannot be settled", one.outbox_id)

    def _connect(self) -> None:
        self._connection = connections.connect(self._postgres_url, "swpt_accounts outbox")

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _settle(self, work: Sequence[Work]) -> None:
        """Remove the rows that are confirmed as a whole, and no others (rule O2)."""
        if self._connection is None:
            self._connect()
        confirmed = [one.outbox_id for one in work if not one.unsettled]
        with self._connection, self._connection.cursor() as cursor:
            if confirmed:
                cursor.execute(FORGET_ROWS, [confirmed])
            for one in work:
                if one.unsettled:
                    self._keep_leftovers(cursor, one)
                if one.scout is not None and len(one.unsettled) < len(one.envelopes):
                    cursor.execute(_LET_GO, {"ids": list(one.scout.waiting), "now": self._clock()})
                    self.silence.end(one.scout.way)
        for one in work:
            _count(one)

    def _keep_leftovers(self, cursor: Any, work: Work) -> None:
        """What is left of a row goes on in rows of its own, so that nothing waits for it (rule O5)."""
        now = self._clock()
        attempts = work.attempts + 1
        # Nothing was answered at all: that is an outage, and no reason to take the row apart.
        is_outage = len(work.unsettled) == len(work.envelopes) and work.unsettled[0][1] == "unanswered"
        groups = leftovers(work.envelopes, work.unsettled)
        if is_outage or len(groups[0].indexes) == len(work.envelopes):
            cursor.execute(
                _PUT_OFF,
                {
                    "outbox_id": work.outbox_id,
                    "attempts": attempts,
                    "next_attempt_at": now + self.draw_delay(attempts, work.unsettled[0][1]),
                    "last_failure": work.unsettled[0][1],
                },
            )
            return
        cursor.execute(_TAKE_BATCH_ROW, [work.outbox_id])
        row = cursor.fetchone()
        if row is None:  # Another process has taken it over, when it could not see us.
            return
        rows = [
            (
                row[0],
                *packed([work.envelopes[index] for index in group.indexes]),
                attempts,
                now + self.draw_delay(attempts, group.reason),
                group.reason,
            )
            for group in groups
        ]
        execute_values(cursor, INSERT_ROWS, rows)


def packed(envelopes: Sequence[Envelope]) -> tuple[Any, Any, Any]:
    """Counts, accounts and payload of a row with these events."""
    return (
        Json(Counter(envelope.type for envelope in envelopes)),
        psycopg2.Binary(pack_accounts([decode(envelope.body) for envelope in envelopes])),
        psycopg2.Binary(pack_bodies([envelope.body for envelope in envelopes])),
    )


def _time(handed_over_at: float, received_at: float | None) -> None:
    confirmed_at = monotonic()
    metrics.CONFIRM_SECONDS.observe(confirmed_at - handed_over_at)
    if received_at is not None:
        metrics.ANSWER_SECONDS.observe(confirmed_at - received_at)


def _count(work: Work) -> None:
    reasons = dict(work.unsettled)
    published = Counter(
        envelope.type for index, envelope in enumerate(work.envelopes) if index not in reasons
    )
    for name, number in published.items():
        metrics.MESSAGES_PUBLISHED.labels(name).inc(number)
    for index, reason in work.unsettled:
        name = work.envelopes[index].type
        (metrics.OUTBOX_RETURNED if reason == "returned" else metrics.OUTBOX_NACKED).labels(name).inc()
