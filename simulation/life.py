"""All processes of the server, and who goes on next: it follows from the seed."""

import hashlib
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Final, TextIO, TypeAlias

from swpt_accounts.events import Envelope
from swpt_accounts.wire.routing import Realm
from swpt_client.moments import MINUTE, SECOND, Moment
from swpt_client.testing.clock import START
from swpt_client.testing.network import Way

from .actors import Actor, Hangs, State
from .broker import Broker, Posted
from .database import Database
from .mix import Mix
from .processes import Chorer, Process, Worker
from .questions import Network
from .sessions import Session
from .shards import Shard
from .time import Time
from .web import Web

MILLISECOND: Final = SECOND // 1000

MOMENTS: Final = (0, 0, 0, 0, MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND)
_AT_WORK: Final = ("received", "publish")
_IDLE_STEPS: Final = 100
LOOKERS: Final = (" prompt", " aside", " asking", " room")
_HURRY: Final = 0.8
_SETTLE_LOOKS: Final = 100_000


Maker: TypeAlias = Callable[[str], Process]
"""Starts a process under a name."""


class Life:
    """The server: several processes on the database of each shard."""

    def __init__(
        self,
        seed: int,
        mix: Mix,
        clock: Time,
        database: Database,
        ways: Mapping[str, Way[Posted]],
        post: Callable[[Envelope], None],
    ) -> None:
        self.mix = mix
        self.clock = clock
        self.database = database
        self.is_calm = False
        """Whether no more faults happen."""
        self.dice = Random(f"{seed} machine")
        self.fate = Random(f"{seed} fate")
        random.seed(f"{seed} server")  # The server draws pauses and keys from it.
        self.broker = Broker(Random(f"{seed} broker"), self.odds, self.wall, post)
        dice, realms = Random(f"{seed} network"), list(map(Realm.parse, mix.realms))
        self.network = Network(dice, realms, self.happens, self.wall, self.record)
        self.network.is_up = self._is_answering
        self.shards = [
            Shard(key, mix, part, ways[key], self.broker, self.network, self.wall, self.monotonic)
            for key, part in zip(mix.realms, database.several(len(mix.realms)), strict=True)
        ]
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self.trace = hashlib.sha256()
        self.log: TextIO | None = None
        """Where the trace is written, for those who want to read it."""
        self.on_commit: Callable[[Shard], None] = lambda _shard: None
        """Is told of each transaction of a shard."""
        self.lookers: tuple[str, ...] = LOOKERS
        """Who mostly finds no work: ends of the names of actors."""
        self.stopped: set[str] = set()
        """Names of shards whose roles were stopped."""
        self.orders: deque[Callable[[], None]] = deque()
        """What people are to do before the next step."""
        self.processes: list[Process] = []
        self._ghosts: list[tuple[Moment, Process]] = []
        self._to_start: list[tuple[Moment, Maker, str]] = []
        self._down_until: Moment = 0
        self._away_until: Moment = 0
        self._number = self._news_at = 0
        self._still: dict[str, Moment] = {}
        """Until when actors get no processor."""

    # --- what the processes find ------------------------------------------------------------------

    def wall(self) -> Moment:
        """The moment, by a right clock."""
        return self.clock.now

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return (self.clock.now - START) / SECOND

    def record(self, line: str) -> None:
        """Something happens: it becomes a part of the trace."""
        self._news_at = self.steps
        self._note_line(line)

    def _note_line(self, line: str) -> None:
        self.trace.update(f"{line}\n".encode())
        if self.log is not None:
            self.log.write(f"{line}\n")

    def odds(self, fault: str) -> float:
        """How probable a fault is now."""
        return 0.0 if self.is_calm else self.mix.odds(fault)

    def opened(self, session: Session) -> None:
        """A session was opened by an actor."""
        for process in self.processes:
            if session.actor in process.actors:
                process.sessions.append(session)
                session.around = process.around
                return
        raise AssertionError("a session of a process that is gone")

    def committed(self, session: Session) -> None:
        """A transaction has ended."""
        for shard in self.shards:
            if shard is session.around:
                self.on_commit(shard)

    def may_connect(self) -> bool:
        """Whether the database takes connections."""
        return self.clock.now >= self._down_until

    def loses_commit(self) -> bool:
        """Whether the answer to a commit is lost."""
        return self.happens("lose commit")

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all processes."""
        for shard in self.shards:
            self.start_shard(shard)

    def start_shard(self, shard: Shard) -> None:
        """Start all roles of a shard."""
        for kind, what, count in (
            (Worker, "worker", self.mix.workers),
            (Chorer, "chores", self.mix.chores),
            (Web, "web", self.mix.webs),
        ):
            for number in range(count):
                self.begin(partial(kind, around=shard), f"{shard.name}{what} {number}")

    def begin(self, make: Maker, name: str) -> None:
        """Start a process, which is started again whenever it has died."""
        self._number += 1
        process = make(f"{name} #{self._number}")
        process.restart = lambda: self._to_start.append((self._later(), make, name))
        self.processes.append(process)

    def _later(self) -> Moment:
        return self.clock.now + self.fate.choice((0, SECOND, MINUTE))

    def stop(self) -> None:
        """End everything."""
        for process in list(self.processes):
            self._end(process)
        for _, ghost in self._ghosts:
            self._lay(ghost)
        self._ghosts = []

    def begin_round(self) -> None:
        """Time may have passed, so that there may be something to do."""
        self._news_at = self.steps

    def run(self, most: int) -> int:
        """Let so many steps happen, or fewer if everybody waits; says how many did."""
        done = 0
        while done < most:
            self._start_due()
            while self.orders:
                self.orders.popleft()()
            actor = self._choose()
            if actor is None or (self.is_calm and self._is_idle):
                break
            self._go(actor)
            done += 1
            self.clock.tick(self.dice.choice(MOMENTS))
            if not self.is_calm:
                self._meet_fate()
        return done

    def _start_due(self) -> None:
        due = [one for one in self._to_start if one[0] <= self.clock.now]
        for one in due:
            self._to_start.remove(one)
            self.begin(one[1], one[2])

    @property
    def _is_idle(self) -> bool:
        """Whether nobody has done anything but look for work, as somebody of several shards always does."""
        return len(self.shards) > 1 and self.steps - self._news_at > _IDLE_STEPS * len(self.shards)

    def _actors(self) -> list[Actor]:
        return [actor for process in self.processes for actor in process.actors]

    def _choose(self) -> Actor | None:
        now = self.clock.now
        runnable = [one for one in self._actors() if one.is_runnable and self._still.get(one.name, 0) <= now]
        if len(self.shards) > 1 and self.dice.random() < _HURRY:
            # Most of those who look for work find none, and there are many of them.
            runnable = [one for one in runnable if not one.name.endswith(self.lookers)] or runnable
        return self.dice.choice(runnable) if runnable else None

    def _go(self, actor: Actor) -> None:
        self.steps += 1
        self._note_line(f"{self.clock.now} {actor.name} {actor.at}")
        if actor.at in _AT_WORK:
            self._news_at = self.steps
        actor.go(self.database)
        if actor.state is State.BLOCKED:
            actor.blocked_since = self.clock.now
            self.counts["waited for a lock"] += 1
            self.record("waits for a lock")
        self._settle()

    def _settle(self) -> None:
        """Wait until nobody moves: who was woken stands at a step, or waits for the next lock.

        What a session that was closed has held is free when its process of the database has noticed that.
        """
        for process in self.processes:
            closed = [one.pid for one in process.sessions if one.closed]
            if closed:
                self.database.await_end(closed)
                process.sessions = [one for one in process.sessions if not one.closed]
        for _ in range(_SETTLE_LOOKS):
            blocked = [one for one in self._all_blocked() if one.session is not None]
            if not blocked:
                return
            waiting = self.database.blocked([one.session for one in blocked if one.session is not None])
            still = [one for one in blocked if not one.has_arrived()]
            if all(one.session in waiting for one in still):
                return
        raise Hangs("who was woken comes to no step")

    def _all_blocked(self) -> list[Actor]:
        return [one for one in self._actors() if one.state is State.BLOCKED]

    # --- ends ---------------------------------------------------------------------------------------

    def happens(self, fault: str) -> bool:
        """Whether a fault happens at this chance that it has."""
        odds = self.odds(fault)
        happens = odds > 0.0 and self.fate.random() < odds
        if happens:
            self._note(fault)
        return happens

    def _note(self, fault: str) -> None:
        self.counts[fault] += 1
        self.record(fault)

    def _meet_fate(self) -> None:
        """Let happen what happens between two steps; see machine.py."""

    def _end(self, process: Process) -> None:
        """A process ends at once: its sessions end, and what it has not acknowledged comes again."""
        self.processes.remove(process)
        blocked = [one for one in process.actors if one.state is State.BLOCKED]
        for actor in process.actors:
            actor.is_killed = True
        self._end_sessions(process.sessions)
        for actor in blocked:
            actor.await_end()
        self._kill(process, [one for one in process.actors if one not in blocked])
        process.drop_connection()
        self._settle()

    def _kill(self, process: Process, actors: list[Actor]) -> None:
        for actor in process.actors:
            actor.is_killed = True
        for actor in actors:
            if actor.state is not State.ENDED:
                actor.unwind()

    def _lay(self, ghost: Process) -> None:
        """The database gives up the sessions of a host that has vanished."""
        blocked = [one for one in ghost.actors if one.state is State.BLOCKED]
        self._end_sessions(ghost.sessions)
        for actor in blocked:
            actor.await_end()
        self._settle()

    def _end_sessions(self, sessions: list[Session]) -> None:
        self.database.end([one.pid for one in sessions])

    def _is_answering(self, realm: Realm) -> bool:
        return any(isinstance(one, Web) and one.around.settings.realm() == realm for one in self.processes)
