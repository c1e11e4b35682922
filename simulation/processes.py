"""The processes of the server, made of its own parts: a worker, and the chores."""

from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Any, Final, Protocol

from swpt_accounts.broker.batch import Batch, Delivered
from swpt_accounts.roles.admission import admission_of
from swpt_accounts.roles.chores.loop import CHORES, Chores, chosen
from swpt_accounts.roles.chores.process import ASIDE, ASKING, _turn_after_turn
from swpt_accounts.roles.gate import Gate
from swpt_accounts.roles.worker.finishing import finish
from swpt_accounts.roles.worker.processing import Processor, nothing_taken_along
from swpt_accounts.rules.policy import Policy
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.shards.waiting import Asking, WaitingRoom
from swpt_accounts.storage.outbox.publishing import Outbox, RetryDelays
from swpt_accounts.storage.trial import why_not
from swpt_accounts.transactions.account_memory import AccountMemory
from swpt_accounts.transactions.context import TransactionContext, make_context, make_policy
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.transactions.reachable_memory import ReachableMemory
from swpt_client.moments import Moment

from .actors import Actor, current, step
from .broker import Broker, Queue, SteppedPublisher
from .questions import Network
from .sessions import Session
from .signals import SteppedCondition, SteppedEvent

_GATE_SECONDS: Final = 1.0

SEALING: Final = "seal journal"
"""How many statements it takes depends on the numbers of transactions, which go on from world to world."""


class Surroundings(Protocol):
    """What a process finds in the world."""

    settings: Settings
    broker: Broker
    queue: Queue
    network: Network
    batch_messages: int

    def wall(self) -> Moment:
        """The moment, by a right clock."""

    def monotonic(self) -> float:
        """Seconds since the beginning."""


class NoWatch:
    """In place of the thread that logs for whom a session waits: nobody reads it."""

    session: int | None = None

    def begin(self) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class Process:
    """A process on a host of its own, with a clock of its own."""

    is_role = True
    """It is one of the server's, and stops with it."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name = name
        self.around = around
        self.offset = 0
        """How far its clock is ahead, in microseconds."""
        self.actors: list[Actor] = []
        self.sessions: list[Session] = []
        self.taken: list[int] = []
        """Tags of messages that are not acknowledged."""
        self.connection = 0
        """Which connection to the broker it has; another one after each drop."""
        self.restart: Callable[[], None] = lambda: None
        """Have it started again some day."""

    def now(self) -> Moment:
        """The moment, by its own clock."""
        return self.around.wall() + self.offset

    def begin(self, name: str, body: Callable[[], None]) -> None:
        """Let an actor live in this process."""
        self.actors.append(Actor(f"{self.name} {name}", body))

    def event(self) -> Any:
        """An event in the time of the world."""
        return SteppedEvent(self.around.monotonic)

    def make_outbox_of_nobody(self) -> Outbox:
        """An outbox in which nothing happens by itself."""
        return self._make_outbox()[0]

    def _make_outbox(self) -> tuple[Outbox, SteppedPublisher]:
        around, settings = self.around, self.around.settings
        publisher = SteppedPublisher(around.broker, settings.publish_confirm_timeout, around.monotonic)
        delays = RetryDelays(settings.outbox_retry_min_delay, settings.outbox_retry_max_delay)
        return Outbox(settings.postgres_url, publisher, delays, self.now), publisher

    def make_outbox(self, name: str) -> Outbox:
        """An outbox, with its keeper and its publisher as actors."""
        outbox, publisher = self._make_outbox()
        changed: Any = SteppedCondition(self.around.monotonic)
        outbox._changed, outbox._is_stopping = changed, self.event()
        self.begin(f"{name} keeper", outbox._keep)
        self.begin(f"{name} publisher", publisher.work)
        return outbox

    def drop_connection(self) -> None:
        """The connection to the broker is lost: what is not acknowledged comes again."""
        self.connection += 1
        taken, self.taken = self.taken, []
        self.around.queue.give_back(taken)


class Worker(Process):
    """Takes messages and processes them."""

    def __init__(self, name: str, around: Surroundings) -> None:
        super().__init__(name, around)
        settings = around.settings
        outbox = self.make_outbox("outbox")
        reachable = ReachableMemory()
        self.room = self._make_room(reachable) if settings.realm().bits else None
        self.gate = Gate(partial(why_not, settings.postgres_url, "swpt_accounts gate"))
        self.processor = Processor(
            settings.postgres_url,
            make_policy(settings),
            outbox,
            self.gate,
            self._context_of(outbox, reachable),
            settings.max_delivery_attempts,
            ask=None if self.room is None else self.room.hand_over,
            taken_along=nothing_taken_along if self.room is None else self.room.taken_along,
        )
        watch: Any = NoWatch()
        self.processor._watch, self.processor._is_stopping = watch, self.event()
        self._admit = admission_of(settings)
        self.begin("batches", self._work)

    def _context_of(
        self, outbox: Outbox, reachable: ReachableMemory | None
    ) -> Callable[[Policy], TransactionContext]:
        infos, memory = DebtorInfos(), AccountMemory()

        def context(policy: Policy) -> TransactionContext:
            return make_context(
                self.around.settings,
                policy,
                outbox.publisher_key,
                infos=infos,
                memory=memory,
                reachable_memory=reachable,
                now=self.now,
            )

        return context

    def _make_room(self, reachable: ReachableMemory) -> WaitingRoom:
        """The room of the requests that wait for other shards, with its two threads as actors."""
        around, settings = self.around, self.around.settings
        outbox = self.make_outbox("room's outbox")
        asking = Asking(
            base_url=settings.fetch_api_url or "",
            timeout_seconds=settings.fetch_timeout,
            connections=settings.fetch_connections,
            retry_max_seconds=settings.fetch_retry_max_delay,
        )
        context = self._context_of(outbox, None)
        policy = make_policy(settings)
        room = WaitingRoom(settings.postgres_url, policy, outbox, asking, context, reachable, finish)
        stepped: Any = room
        stepped._watch, stepped._is_stopping = NoWatch(), self.event()
        stepped._changed = stepped.answers._changed = SteppedCondition(around.monotonic)

        def keep() -> None:
            self._await_asker()
            room._keep()

        self.begin("asker", room._ask_all)
        self.begin("room", keep)
        return room

    def _await_asker(self) -> None:
        actor, room = current(), self.room
        if actor is not None and room is not None:
            actor.sleep("asker", room._is_asking.is_set)

    def _work(self) -> None:
        actor, queue = current(), self.around.queue
        assert actor is not None, "it works as an actor"
        self._await_asker()
        while True:
            while not self.gate.is_open():
                until = self.around.monotonic() + _GATE_SECONDS
                actor.sleep("gate", lambda until=until: self.around.monotonic() >= until)  # type: ignore[misc]
            actor.sleep("queue", lambda: self.around.broker.is_up and queue.has_some())
            connection = self.connection
            deliveries = queue.take(self.around.batch_messages)
            if not deliveries:
                continue
            tags = [one.tag for one in deliveries]
            self.taken += tags
            step("received")
            batch = Batch([Delivered(one, self._admit(one)) for one in deliveries])
            self.processor.process(batch)
            step("processed")
            if self.connection != connection:
                continue
            self.taken = []
            if batch.settled:
                queue.ack(tags)
                step("acknowledged")
            else:
                queue.give_back(tags)


class Chorer(Process):
    """Does the chores, in the lanes of the real process."""

    def __init__(self, name: str, around: Surroundings) -> None:
        super().__init__(name, around)
        outbox = self.make_outbox("outbox")
        asking = ASKING if around.settings.realm().bits else frozenset()
        prompt = tuple(chore for chore in CHORES if chore.name not in ASIDE | asking | {SEALING})
        aside = tuple(chore for chore in CHORES if chore.name in ASIDE)
        for lane, chores, publishes in (("prompt", prompt, True), ("aside", aside, False)):
            self._begin_lane(lane, Chores(around.settings, outbox, chores, self.now, publishes=publishes))
        if asking:
            elsewhere = self.make_outbox("outbox elsewhere")
            asks = tuple(chore for chore in CHORES if chore.name in asking)
            self._begin_lane("asking", Chores(around.settings, elsewhere, asks, self.now))

    def _begin_lane(self, name: str, chores: Chores) -> None:
        watch: Any = NoWatch()
        chores._watch = watch
        failures: list[Exception] = []
        stop = self.event()

        def live() -> None:
            _turn_after_turn(chores, stop, failures)
            raise failures[0]

        self.begin(name, live)


class Sealer:
    """Seals the journal in one go, whenever it is asked to, while transactions of others are at hand."""

    def __init__(self, around: Surroundings) -> None:
        process = Process("sealer", around)
        (self._chore,) = chosen([SEALING])
        self._chores = Chores(
            around.settings, process.make_outbox_of_nobody(), (self._chore,), process.now, publishes=False
        )
        self._stop = Event()

    def seal(self) -> None:
        """Seal all that can be sealed now."""
        self._chores.do_all(self._chore, self._stop)

    def rest(self) -> None:
        """Close its session, until it is wanted again."""
        self._chores._disconnect()

    def close(self) -> None:
        """Close its session for good."""
        self._chores.close()
