"""The one thread of an agent that processes: events in batches, dates, the outbox."""

from collections.abc import Callable, Sequence
from logging import getLogger
from threading import Event, Thread
from time import monotonic
from typing import Final, TypeVar

from swpt_client.core import Result
from swpt_client.inputs import Due
from swpt_client.office import Office
from swpt_client.store.base import DeadLetter, LetterState, Overtaken, Retention, StoreAway, Transaction
from swpt_client.transfer import UNASKED
from swpt_client.transport.base import Delivery, Transport

from .batch import Done, Item, letter_of, process
from .inbox import Inbox
from .pump import Pump

_T = TypeVar("_T")
_logger = getLogger(__name__)
MOST_EVENTS: Final = 500
"""In one transaction."""
_LONGEST_PAUSE_SECONDS: Final = 10.0
_CLEAN_SECONDS: Final = 600.0
_LINGER_SECONDS: Final = 0.05
"""So long confirmations wait for company."""
_PAUSE_TRANSPORT_SECONDS: Final = 60.0
"""The store is away for so long: the broker gets its messages back."""
_WARN_SECONDS: Final = 60.0
_UNASKED_WARNING: Final = (
    "%d prepared transfers of which nothing is known here are dismissed: right after a restore, and for"
    " records that were deleted; otherwise another agent with our subnet has asked for them, which has"
    " another store than ours, and each of the two dismisses what the other one asks for"
)


class _Stopped(Exception):
    """The agent stops while its store is away; what is not stored will come again."""


class Worker:
    """Runs until it is stopped.  `crash_at` is called at named steps: tests die there."""

    def __init__(
        self,
        office: Office,
        transport: Transport,
        inbox: Inbox,
        pump: Pump,
        on_commit: Callable[[Result], None],
        *,
        retention: Retention,
        poll_seconds: float,
        crash_at: Callable[[str], None],
    ) -> None:
        self._office = office
        self._store = office.store
        self._transport = transport
        self._inbox = inbox
        self._pump = pump
        self._on_commit = on_commit
        self._retention = retention
        self._poll_seconds = poll_seconds
        self._linger_seconds = min(_LINGER_SECONDS, poll_seconds / 10)
        self._crash_at = crash_at
        self._stop_at: float | None = None
        self._is_stopping = Event()
        self._thread = Thread(target=self._run, name="smp-agent", daemon=True)
        self._look_at = 0.0
        self._clean_at = monotonic() + _CLEAN_SECONDS
        self._away_since: float | None = None
        self._is_prepared = False
        self._has_to_send = True
        self._followers: list[Event] = []
        self._unasked = 0
        self._warn_at = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether its thread goes on."""
        return self._thread.is_alive()

    def start(self, *, is_prepared: bool) -> None:
        """Begin.  If the store was away, it is prepared as soon as it is there."""
        self._is_prepared = is_prepared
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Finish what is under way, as far as `timeout` seconds allow; says whether the thread has ended."""
        self._stop_at = monotonic() + timeout
        self._is_stopping.set()
        self._inbox.wake()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout + 1.0)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException:
            # The interpreter says nothing of a thread that ends by SystemExit.
            _logger.critical("The agent has ended; nothing is sent or stored any more", exc_info=True)
            raise
        finally:
            self._tell_followers()

    def _work(self) -> None:
        pause = 0.1
        while not self._is_over():
            try:
                self._round()
                pause = 0.1
            except _Stopped:
                break
            except (StoreAway, Overtaken) as error:
                self._be_away(error)
                self._wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            except Exception as error:
                _logger.exception("The agent goes on after an error of its own")
                self._be_away(error)
                # What is not stored must come again.
                self._transport.pause()
                self._wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        try:
            self._pump.release()
        except (StoreAway, Overtaken) as error:
            _logger.info("The outbox is released by time: %s", error)

    def _is_over(self) -> bool:
        if self._stop_at is None:
            return False
        is_done = self._pump.in_flight == 0 and not self._pump.landings
        return is_done or monotonic() >= self._stop_at

    def _wait(self, seconds: float) -> None:
        self._is_stopping.wait(seconds)

    # --- one round ----------------------------------------------------------------------------------

    def _round(self) -> None:
        if not self._is_prepared:
            self._store.prepare()
            self._is_prepared = True
        is_stopping = self._is_stopping.is_set()
        linger = 0.0 if is_stopping or self._pump.is_crowded else self._linger_seconds
        told = self._inbox.take(0 if is_stopping else MOST_EVENTS, self._patience(), linger)
        self._has_to_send |= told.is_woken
        if told.followers:
            self._followers += told.followers
            self._look_at = 0.0
        for row in told.rows:
            self._pump.launch_claimed(row)
        self._pump.land(told.settled)
        # Answers come first: that a question has left is no news after them.
        self._process([*told.deliveries, *self._pump.landings.take(is_hurried=is_stopping)])
        if is_stopping:
            return
        if monotonic() >= self._look_at:
            self._look()
        if self._has_to_send or self._pump.has_room_again:
            while self._pump.launch():
                pass
            self._has_to_send = False
        self._pump.keep()
        self._be_back()
        if self._followers and self._look_at > 0.0:
            self._tell_followers()

    def _tell_followers(self) -> None:
        for one in self._followers:
            one.set()
        self._followers.clear()

    def _patience(self) -> float:
        if self._stop_at is not None:
            if self._pump.landings:
                return 0.0
            return max(0.0, min(0.1, self._stop_at - monotonic()))
        ripe_at = self._pump.landings.ripe_at
        until = self._look_at if ripe_at is None else min(self._look_at, ripe_at)
        return max(0.0, until - monotonic())

    def _look(self) -> None:
        """What is due, and what a person has put back; there may be more than one batch of it."""
        due = self._store.due(self._office.clock(), MOST_EVENTS)
        items: list[Item] = [Due(kind="bundle", key=key) for key in due.bundles]
        items += [Due(kind="transfer", key=key) for key in due.transfers]
        items += [Due(kind="account", key=key) for key in due.accounts]
        items += self._store.letters(LetterState.WAITING, 0, MOST_EVENTS)
        for place in range(0, len(items), MOST_EVENTS):
            self._process(items[place : place + MOST_EVENTS])
        # Other processes write into the outbox as well, and claims of killed ones end.
        self._has_to_send = True
        if len(items) < MOST_EVENTS:
            self._look_at = monotonic() + self._poll_seconds
        if monotonic() >= self._clean_at:
            self._clean_at = monotonic() + _CLEAN_SECONDS
            while self._store.clean(self._retention, self._office.clock()) > 0:
                pass

    # --- processing ---------------------------------------------------------------------------------

    def _process(self, items: Sequence[Item]) -> None:
        """All items in one transaction; if one of them cannot be processed, it is found by bisection."""
        if not items:
            return
        try:
            self._transact(items)
        except (_Stopped, StoreAway, Overtaken):
            raise
        except Exception as error:
            if len(items) == 1:
                self._give_up(items[0], error)
                return
            half = len(items) // 2
            self._process(items[:half])
            self._process(items[half:])

    def _transact(self, items: Sequence[Item]) -> None:
        begun = monotonic()

        def work(transaction: Transaction) -> Done:
            done = process(self._office, transaction, items, self._retention, self._pump.claim())
            self._crash_at("before_commit")
            return done

        self._crash_at("before_fold")
        done = self._persist(work)
        self._crash_at("after_commit")
        self._pump.landings.hear(done.result.transfers)
        if done.row is not None:
            self._pump.launch_claimed(done.row)
        elif done.result.outgoing or done.has_left_rows:
            self._has_to_send = True
        self._ack(items)
        self._count(items, done.result, done.letters, monotonic() - begun)
        self._on_commit(done.result)

    def _persist(self, work: Callable[[Transaction], _T]) -> _T:
        """Until it is stored: after conflicts, and while the store is away.  Raises _Stopped."""
        pause = 0.01
        while True:
            try:
                with self._store.begin() as transaction:
                    return work(transaction)
            except Overtaken as error:
                self._office.metrics.count("conflicts_total")
                _logger.debug("Another transaction was quicker: %s", error)
            except Exception as error:
                if not (isinstance(error, StoreAway) or self._store.is_unfit(error)):
                    raise
                self._be_away(error)
                pause = max(pause, 0.1)
            if self._stop_at is not None and monotonic() >= self._stop_at:
                raise _Stopped
            self._wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _give_up(self, item: Item, error: Exception) -> None:
        """Nothing of it is stored but that we could not process it."""
        _logger.error("The agent cannot process %s", type(item).__name__, exc_info=error)
        if not isinstance(item, Delivery):
            return
        letter = letter_of(item, "internal_error", f"{type(error).__name__}: {error}", self._office.clock())
        self._persist(lambda transaction: transaction.add_letters([letter], self._retention))
        self._office.metrics.count("dead_letters_total", reason=letter.reason)
        self._ack([item])

    def _ack(self, items: Sequence[Item]) -> None:
        """Only after the commit, and in the order in which they came."""
        tags = {one.channel: one.tag for one in items if isinstance(one, Delivery)}
        for channel, tag in tags.items():
            self._transport.ack(channel, tag)

    def _count(
        self, items: Sequence[Item], result: Result, letters: Sequence[DeadLetter], seconds: float
    ) -> None:
        metrics = self._office.metrics
        metrics.count("batches_total")
        metrics.set("batch_seconds", seconds)
        for one in items:
            if isinstance(one, Delivery):
                metrics.count("messages_received_total", type=one.type or "")
        for row, count in result.ignored.items():
            metrics.count("ignored_total", count, row=row)
        self._unasked += result.ignored.get(UNASKED, 0)
        if self._unasked and monotonic() >= self._warn_at:
            self._warn_at = monotonic() + _WARN_SECONDS
            _logger.warning(_UNASKED_WARNING, self._unasked)
            self._unasked = 0
        for letter in letters:
            metrics.count("dead_letters_total", reason=letter.reason)
            _logger.error("A message is a dead letter: %s, %s", letter.reason, letter.detail)

    # --- the store is away ----------------------------------------------------------------------------

    def _be_away(self, error: Exception) -> None:
        now = monotonic()
        if self._away_since is None:
            self._away_since = now
            _logger.warning("The store is away (%s); it is tried again", error)
            self._office.metrics.set("is_store_away", 1)
        elif now - self._away_since > _PAUSE_TRANSPORT_SECONDS:
            self._transport.pause()

    def _be_back(self) -> None:
        if self._away_since is not None:
            self._away_since = None
            _logger.warning("The store is back")
            self._office.metrics.set("is_store_away", 0)
            self._transport.resume()
