"""The room of the requests that wait for other shards (rules.md#waiting-requests).

A worker has two threads for them.  One asks, in an event loop; it never touches the database.  The other
keeps the table: what was answered it decides together, unless a batch takes it along, what was not it puts
off, and what is due it has asked.  A request is in the table from the transaction that took its message to
the one that decides it, so that whatever dies, nothing but time is lost: what a process had in hand is due
for others after a while.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from logging import getLogger
from threading import Condition, Event, Thread
from time import monotonic
from typing import Any, Final, TypeVar

import msgspec

from swpt_accounts import procedures
from swpt_accounts.procedures import Applied
from swpt_accounts.rules.facts import RequestKey, request_key
from swpt_accounts.rules.policy import Policy
from swpt_accounts.runtime import metrics
from swpt_accounts.runtime.errors import first_line
from swpt_accounts.runtime.pauses import Pauses
from swpt_accounts.runtime.standstill import Standstill
from swpt_accounts.storage import eager
from swpt_accounts.storage.faults import Fault, fault_of
from swpt_accounts.storage.outbox.publishing import Outbox
from swpt_accounts.storage.watch import Watch, session_number
from swpt_accounts.transactions.context import TransactionContext, load_policy
from swpt_accounts.transactions.reachable_memory import ReachableMemory
from swpt_accounts.transactions.waiting import Due, give_back, put_off, take_due
from swpt_accounts.wire.messages import PrepareTransfer
from swpt_accounts.wire.moments import later_by, latest_due, seconds

from .answers import MOST_TOGETHER, Answers
from .client import ShardClient
from .questions import Questions

# What is due is looked for so often; what this process has stored itself it asks for at once.
_LOOK_SECONDS: Final = 1.0
_MOST_DUE: Final = 2000
_MOST_IN_HAND: Final = 20_000
_POLICY_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 3.0
_FIRST_RETRY_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5.0

_T = TypeVar("_T")

_logger: Final = getLogger(__name__)


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """How other shards are asked; durations in seconds."""

    base_url: str
    timeout_seconds: float
    connections: int
    retry_max_seconds: float

    def retry_seconds(self, attempts: int) -> float:
        """The pause after so many attempts without an answer: it doubles, and is spread at random.

        After an outage of a shard all that waits for it would come at once otherwise.
        """
        pause: float = min(self.retry_max_seconds, _FIRST_RETRY_SECONDS * 2.0 ** min(attempts, 40))
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret


class WaitingRoom:
    """Asks for the requests that wait, and goes on with those that are answered.

    `hand_over` and `taken_along` may be called from any thread.
    """

    def __init__(
        self,
        postgres_url: str,
        policy: Policy,
        outbox: Outbox,
        asking: Asking,
        make_context: Callable[[Policy], TransactionContext],
        memory: ReachableMemory,
        finish: Callable[[Applied, Outbox], None],
    ) -> None:
        self._postgres_url = postgres_url
        self._policy = policy
        self._outbox = outbox
        self._asking = asking
        self._make_context = make_context
        self._memory = memory
        self._finish = finish
        self._changed = Condition()
        self.answers = Answers(self._changed, lambda: monotonic())  # noqa: PLW0108 - looked up each time, for simulated worlds
        self._unanswered: deque[Due] = deque()
        self._in_hand: set[RequestKey] = set()
        self._is_stopping = Event()
        self._is_asking = Event()
        self._connection: Any = None
        self._context: TransactionContext | None = None
        self._context_until = 0.0
        self._look_at = 0.0
        self._loop = asyncio.new_event_loop()
        self._questions: Questions | None = None
        self._standstill = Standstill("waiting")
        self._watch = Watch(postgres_url, "The waiting room has", "It asks again.", statements_are_short=True)
        self._asker = Thread(target=self._ask_all, name="asker", daemon=True)
        self._keeper = Thread(target=self._keep, name="waiting", daemon=True)

    def start(self) -> None:
        """Begin to ask for what waits."""
        self._outbox.start()
        self._asker.start()
        self._is_asking.wait()
        self._keeper.start()

    def hand_over(self, requests: Sequence[PrepareTransfer]) -> None:
        """Ask at once for requests that this process has just stored; the table has them in any case."""
        self._ask([Due(request, 0) for request in requests])

    @contextmanager
    def taken_along(self, messages: int) -> Iterator[Mapping[RequestKey, bool]]:
        """Answers that a batch of so many messages decides in its transaction, inside of this.

        If that fails, the room decides them by itself.
        """
        answers = self.answers.take_along(messages)
        try:
            yield answers
        except BaseException:
            self.answers.put_back(answers)
            raise
        else:
            self._release(answers)
        finally:
            self.answers.end_batch()

    def stop(self, timeout: float) -> None:
        """Stop asking; what is answered is still decided, and the rest left to others."""
        self._is_stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._keeper.ident is not None:
            self._keeper.join(_STOP_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._asker.join(_STOP_SECONDS)
        else:
            self._loop.close()
        self._watch.stop()
        self._disconnect()
        self._outbox.stop(timeout)

    # -- the thread that asks ------------------------------------------------------------------

    def _ask_all(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(_alarm)
        client, self._questions = self._loop.run_until_complete(self._open())
        self._is_asking.set()
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._questions.close())
            self._loop.run_until_complete(client.close())
            self._loop.close()

    async def _open(self) -> tuple[ShardClient, Questions]:
        asking = self._asking
        client = ShardClient(
            asking.base_url, timeout_seconds=asking.timeout_seconds, connections=asking.connections
        )
        questions = Questions(
            client,
            self._policy.realm,
            asking.connections,
            answered=self.answers.put,
            unanswered=self._hear_silence,
            remember=self._memory.remember,
        )
        return client, questions

    def _ask(self, dues: Sequence[Due]) -> None:
        """Ask for requests that nobody asks for yet, as far as memory has room for them."""
        with self._changed:
            if len(self._in_hand) > _MOST_IN_HAND:
                return  # They become due again.
            new = [due for due in dues if request_key(due.request) not in self._in_hand]
            self._in_hand.update(request_key(due.request) for due in new)
        if new and not self._is_stopping.is_set():
            self._loop.call_soon_threadsafe(self._begin, new)

    def _begin(self, dues: Sequence[Due]) -> None:
        assert self._questions is not None, "the loop runs"
        self._questions.ask(dues)

    def _hear_silence(self, dues: Iterable[Due]) -> None:
        with self._changed:
            self._unanswered.extend(dues)
            self._changed.notify_all()

    # -- the thread that keeps the table -------------------------------------------------------

    def _keep(self) -> None:
        pauses = Pauses(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        while not self._is_stopping.is_set():
            try:
                self._watch.begin()
                self._turn()
            except Exception as error:
                if fault_of(error) is Fault.MESSAGE:
                    _logger.exception("ALARM: the waiting room fails; it goes on")
                self._back_off(error)
                self._is_stopping.wait(pauses.draw())
            else:
                pauses.reset()
                self._standstill.end()
            finally:
                self._watch.end()
            self._await_work()
        self._leave()

    def _await_work(self) -> None:
        with self._changed:
            while not self._unanswered and not self._is_stopping.is_set():
                pause, answers_in = self._look_at - monotonic(), self.answers.seconds_to_wait()
                pause = pause if answers_in is None else min(pause, answers_in)
                if pause <= 0.0:
                    return
                self._changed.wait(pause)

    def _turn(self) -> None:
        """Do what is there to do."""
        while answers := self.answers.take():
            self._decide(answers)
        while dues := self._take(self._unanswered):
            self._put_off(dues, self._asking.retry_seconds)
        if monotonic() >= self._look_at:
            self._look_for_due()
            self._look_at = monotonic() + _LOOK_SECONDS

    def _take(self, queue: deque[_T]) -> list[_T]:
        with self._changed:
            return [queue.popleft() for _ in range(min(MOST_TOGETHER, len(queue)))]

    def _decide(self, answers: dict[RequestKey, bool]) -> None:
        """Go on with answered requests together; one by one if one of them can not be stored."""
        try:
            self._apply(answers)
        except Exception as error:
            if fault_of(error) is not Fault.MESSAGE:
                raise
            if len(answers) > 1:
                for key, verdict in answers.items():
                    self._decide({key: verdict})
                return
            [key] = answers
            _logger.exception("ALARM: a request that has waited can not be decided: %s; the others are", key)
            self._release(answers)  # It stays in the table, and is due again when its lease ends.

    def _apply(self, answers: dict[RequestKey, bool]) -> None:
        applied = self._transact(lambda context: procedures.apply_answers(self._connection, answers, context))
        self._release(answers)
        self._finish(applied, self._outbox)

    def _put_off(self, dues: Sequence[Due], pause_seconds: Callable[[int], float]) -> None:
        def change(context: TransactionContext) -> None:
            now = context.clock()
            times = [
                (request_key(request), later_by(now, seconds(pause_seconds(attempts))))
                for request, attempts in dues
            ]
            with self._connection, self._connection.cursor() as cursor:
                put_off(cursor, times)

        self._transact(change)
        self._release(request_key(due.request) for due in dues)

    def _look_for_due(self) -> None:
        """Ask for what others have left, and for what has waited long enough."""
        longest = max(seconds(self._asking.retry_max_seconds), self._policy.asking_time)

        def take(context: TransactionContext) -> list[Due]:
            now = context.clock()
            lease, latest = later_by(now, context.policy.asking_time), latest_due(longest, now)
            with self._connection, self._connection.cursor() as cursor:
                return take_due(cursor, context.policy.realm, now, lease, latest, _MOST_DUE)

        if len(self._in_hand) < _MOST_IN_HAND:
            self._ask(self._transact(take))

    def _release(self, keys: Iterable[RequestKey]) -> None:
        with self._changed:
            self._in_hand.difference_update(keys)

    def _leave(self) -> None:
        """Let others have at once what this process has in hand."""

        def leave(context: TransactionContext) -> None:
            with self._connection, self._connection.cursor() as cursor:
                give_back(cursor, keys, context.clock())

        try:
            while answers := self.answers.take_all():
                self._decide(answers)
            with self._changed:
                keys = list(self._in_hand)
            if keys:
                self._transact(leave)
        except Exception as error:
            _logger.warning("Requests that wait are taken up by others a little later: %s", first_line(error))

    # -- a transaction -------------------------------------------------------------------------

    def _transact(self, action: Callable[[TransactionContext], _T]) -> _T:
        """Run a transaction; again after a conflict (rule S10)."""
        conflicts = 0
        while True:
            try:
                return action(self._ready())
            except Exception as error:
                fault = fault_of(error)
                if fault not in (Fault.CONFLICT, Fault.LOCK) or self._is_stopping.is_set():
                    raise
                conflicts += 1
                metrics.RETRIES.labels("lock" if fault is Fault.LOCK else "conflict").inc()
                self._is_stopping.wait(random.uniform(0.0, min(0.01 * conflicts, 0.5)))  # noqa: S311

    def _ready(self) -> TransactionContext:
        if self._connection is None:
            self._connection = eager.connect(self._postgres_url, "swpt_accounts waiting room")
            self._watch.session = session_number(self._connection)
            self._outbox.sign_in(self._connection)
            self._context = None
        if self._context is None or monotonic() > self._context_until:
            self._context = self._make_context(load_policy(self._connection, self._policy))
            self._context_until = monotonic() + _POLICY_SECONDS
        return self._context

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = self._watch.session = None

    def _back_off(self, error: Exception) -> None:
        """Forget what is in hand: answers get old, and the table brings all of it again."""
        self._disconnect()
        self.answers.clear()
        with self._changed:
            self._unanswered.clear()
            self._in_hand.clear()
        self._standstill.begin(first_line(error))
        self._standstill.look()
        _logger.warning("The waiting room can not use the database: %s", first_line(error))


def _alarm(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What no code of the loop has caught is our bug; the requests are due again after their lease."""
    _logger.error(
        "ALARM: a question to another shard fails: %s", context["message"], exc_info=context.get("exception")
    )
