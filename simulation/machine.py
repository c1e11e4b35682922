"""All processes of the server, the faults that they meet, and who goes on next: it follows from the seed."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final, TextIO

from swpt_accounts.events import Envelope
from swpt_accounts.runtime.settings import Settings, load
from swpt_client.moments import DAY, HOUR, MINUTE, SECOND, Moment
from swpt_client.testing.clock import START
from swpt_client.testing.network import Way

from .actors import Actor, Hangs, State
from .broker import Broker, Posted, Queue
from .database import Database
from .mix import Mix
from .processes import Chorer, Process, Worker
from .sessions import Session
from .time import Time

MILLISECOND: Final = SECOND // 1000

IDLE_IN_TRANSACTION: Final = 15 * SECOND
LOCK: Final = 5 * SECOND
"""When the database ends a session, and a wait for a lock, as the server wants it."""

_MOMENTS: Final = (0, 0, 0, 0, MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND)
_JUMPS: Final = (SECOND, MINUTE, HOUR, 8 * HOUR, 2 * DAY)
_SETTLE_LOOKS: Final = 100_000


class Machine:
    """The server: several processes on one database."""

    def __init__(
        self,
        seed: int,
        mix: Mix,
        clock: Time,
        database: Database,
        to_server: Way[Posted],
        post: Callable[[Envelope], None],
    ) -> None:
        self.mix = mix
        self.clock = clock
        self.database = database
        self.settings: Settings = load({"POSTGRES_URL": database.url, **mix.settings})
        self.is_calm = False
        """Whether no more faults happen."""
        self.dice = Random(f"{seed} machine")
        self.fate = Random(f"{seed} fate")
        random.seed(f"{seed} server")  # The server draws pauses and keys from it.
        self.broker = Broker(Random(f"{seed} broker"), self.odds, self.wall, post)
        self.queue = Queue(to_server)
        self.batch_messages = mix.batch_messages
        self.steps = 0
        self.counts: Counter[str] = Counter()
        self.trace = hashlib.sha256()
        self.log: TextIO | None = None
        """Where the trace is written, for those who want to read it."""
        self.processes: list[Process] = []
        self._ghosts: list[tuple[Moment, Process]] = []
        self._to_start: list[tuple[Moment, Callable[[str], Process], str]] = []
        self._down_until: Moment = 0
        self._number = 0
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
                return
        raise AssertionError("a session of a process that is gone")

    def may_connect(self) -> bool:
        """Whether the database takes connections."""
        return self.clock.now >= self._down_until

    def loses_commit(self) -> bool:
        """Whether the answer to a commit is lost."""
        return self._happens("lose commit")

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all processes."""
        for number in range(self.mix.workers):
            self._start(self._worker, f"worker {number}")
        for number in range(self.mix.chores):
            self._start(self._chorer, f"chores {number}")

    def _worker(self, name: str) -> Process:
        return Worker(name, self)

    def _chorer(self, name: str) -> Process:
        return Chorer(name, self)

    def _start(self, make: Callable[[str], Process], name: str) -> None:
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

    def run(self, most: int) -> int:
        """Let so many steps happen, or fewer if everybody waits; says how many did."""
        done = 0
        while done < most:
            self._start_due()
            actor = self._choose()
            if actor is None:
                break
            self._go(actor)
            done += 1
            self.clock.tick(self.dice.choice(_MOMENTS))
            if not self.is_calm:
                self._meet_fate()
        return done

    def _start_due(self) -> None:
        due = [one for one in self._to_start if one[0] <= self.clock.now]
        for one in due:
            self._to_start.remove(one)
            self._start(one[1], one[2])

    def _actors(self) -> list[Actor]:
        return [actor for process in self.processes for actor in process.actors]

    def _choose(self) -> Actor | None:
        now = self.clock.now
        runnable = [one for one in self._actors() if one.is_runnable and self._still.get(one.name, 0) <= now]
        return self.dice.choice(runnable) if runnable else None

    def _go(self, actor: Actor) -> None:
        self.steps += 1
        self.record(f"{self.clock.now} {actor.name} {actor.at}")
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

    # --- faults -----------------------------------------------------------------------------------

    def _happens(self, fault: str) -> bool:
        odds = self.odds(fault)
        happens = odds > 0.0 and self.fate.random() < odds
        if happens:
            self._note(fault)
        return happens

    def _note(self, fault: str) -> None:
        self.counts[fault] += 1
        self.record(fault)

    def _meet_fate(self) -> None:
        for fault, meet in (
            ("crash", self._crash),
            ("vanish", self._vanish),
            ("lose session", self._lose_session),
            ("restart database", self._restart_database),
            ("drop connection", self._drop_connection),
            ("broker away", self._send_broker_away),
            ("jump clock", self._jump_clock),
            ("stand still", self._stand_still),
        ):
            if self._happens(fault):
                meet()

    def _any(self) -> Process | None:
        return self.fate.choice(self.processes) if self.processes else None

    def _crash(self) -> None:
        process = self._any()
        if process is not None:
            self._end(process)
            process.restart()

    def _vanish(self) -> None:
        """A host is gone, and its sessions stay with their locks, until the database gives them up."""
        process = self._any()
        if process is None:
            return
        self.processes.remove(process)
        for session in process.sessions:
            session.is_ghost = True
        self._kill(process, [one for one in process.actors if one.state is not State.BLOCKED])
        process.drop_connection()
        self._ghosts.append((self.clock.now, process))
        process.restart()

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

    def _lose_session(self) -> None:
        process = self._any()
        if process is not None and process.sessions:
            session = self.fate.choice(process.sessions)
            process.sessions.remove(session)
            self._end_sessions([session])
            self._settle()

    def _restart_database(self) -> None:
        for process in self.processes:
            sessions, process.sessions = process.sessions, []
            self._end_sessions(sessions)
        self._down_until = self.clock.now + self.fate.choice((0, 2 * SECOND, 90 * SECOND))
        self._settle()

    def _drop_connection(self) -> None:
        process = self._any()
        if process is not None:
            process.drop_connection()

    def _send_broker_away(self) -> None:
        self.broker.away_until = self.clock.now + self.fate.choice((SECOND, MINUTE, 10 * MINUTE))
        for process in self.processes:
            process.drop_connection()

    def _jump_clock(self) -> None:
        process = self._any()
        if process is not None:
            jump = self.fate.choice(_JUMPS) * self.fate.choice((1, -1))
            process.offset = self.fate.choice((0, jump))

    def _stand_still(self) -> None:
        """An actor gets no processor for a while, wherever it stands."""
        actors = self._actors()
        if actors:
            actor = self.fate.choice(actors)
            self._still[actor.name] = self.clock.now + self.fate.choice((SECOND, 10 * SECOND))

    # --- time -------------------------------------------------------------------------------------

    def before_leap(self) -> None:
        """Before much time passes, let the transactions at hand end, for most of the time."""
        if self.is_calm or self.dice.random() < 0.8:
            for _ in range(200):
                pids = [one.pid for process in self.processes for one in process.sessions]
                if not self.database.in_transaction(pids) and not self._all_blocked():
                    break
                if not self.run(5):
                    break

    def after_leap(self) -> None:
        """Time has passed: what the database ends by time has ended."""
        now = self.clock.now
        for actor in self._all_blocked():
            if now - actor.blocked_since > LOCK and actor.state is State.BLOCKED:
                self._time_out(actor)
        ghosts, self._ghosts = self._ghosts, []
        for since, ghost in ghosts:
            if now - since > IDLE_IN_TRANSACTION:
                self._lay(ghost)
            else:
                self._ghosts.append((since, ghost))
        for process in self.processes:
            old = [one for one in process.sessions if now - one.used_at > IDLE_IN_TRANSACTION]
            pids = self.database.in_transaction([one.pid for one in old]) if old else set()
            for session in old:
                if session.pid in pids:
                    self._note("idle in transaction")
                    process.sessions.remove(session)
                    self._end_sessions([session])
        self._settle()

    def _time_out(self, actor: Actor) -> None:
        self._note("lock timeout")
        for process in self.processes:
            for session in process.sessions:
                if session.pid == actor.session:
                    session.is_timed_out = True
                    self.database.cancel(session.pid)
        self._settle()

    def calm(self) -> None:
        """No more faults; what is broken is mended, but not what has happened."""
        self.is_calm = True
        self.broker.away_until = self._down_until = 0
        self._still = {}
        for process in self.processes:
            process.offset = 0
        now = self.clock.now
        self._to_start = [(now, make, name) for _, make, name in self._to_start]
