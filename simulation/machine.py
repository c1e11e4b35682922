"""The server: its processes, the faults that they meet, and the time that passes for them."""

from collections.abc import Sequence
from time import monotonic, sleep
from typing import Final

from swpt_client.moments import DAY, HOUR, MINUTE, SECOND

from .actors import Actor, State
from .life import MOMENTS, Life
from .processes import Process
from .sessions import Session
from .shards import Shard

IDLE_IN_TRANSACTION: Final = 15 * SECOND
LOCK: Final = 5 * SECOND
"""When the database ends a session, and a wait for a lock, as the server wants it."""

_JUMPS: Final = (SECOND, MINUTE, HOUR, 8 * HOUR, 2 * DAY)
_AWAY: Final = (10 * MINUTE, 3 * HOUR, 2 * DAY)
_MOST_TO_END: Final = 300
_END_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.0005


class Machine(Life):
    """The processes, and all that goes wrong with them."""

    # --- faults -------------------------------------------------------------------------------------

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
            ("shard away", self._send_shard_away),
        ):
            if self.happens(fault):
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

    def _send_shard_away(self) -> None:
        """All processes of a shard end, and none is started again for a long time."""
        shard = self.fate.choice(self.shards)
        back_at = self._away_until = self.clock.now + self.fate.choice(_AWAY)
        for process in [one for one in self.processes if one.around is shard]:
            self._end(process)
            process.restart()
        self._to_start = [
            (max(at, back_at) if name.startswith(shard.name) else at, make, name)
            for at, make, name in self._to_start
        ]

    # --- people ---------------------------------------------------------------------------------------

    def stop_shard(self, shard: Shard) -> None:
        """All roles of a shard are stopped, and stay so."""
        self.stopped.add(shard.name)
        for process in [one for one in self.processes if one.around is shard and one.is_role]:
            self._end(process)
        self._to_start = [one for one in self._to_start if not one[2].startswith(shard.name)]
        self.record(f"{shard.name}is stopped")

    def start_again(self, shard: Shard) -> None:
        """Start the roles of a shard, if they were stopped."""
        if shard.name in self.stopped:
            self.stopped.remove(shard.name)
            self.start_shard(shard)

    def replace(self, parent: Shard, children: Sequence[Shard]) -> None:
        """A shard is no more, and there are its children."""
        at = self.shards.index(parent)
        self.shards[at : at + 1] = children
        self.network.replace(parent.realm, [one.realm for one in children])

    # --- more faults --------------------------------------------------------------------------------

    @property
    def is_one_away(self) -> bool:
        """Whether a shard is away for a long time."""
        return not self.is_calm and self.clock.now < self._away_until

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
        if not (self.is_calm or self.dice.random() < 0.8):
            return
        if len(self.shards) > 1:
            self._end_transactions()
        else:
            for _ in range(200):
                pids = [one.pid for process in self.processes for one in process.sessions]
                if not self.database.in_transaction(pids) and not self._all_blocked():
                    break
                if not self.run(5):
                    break

    def _end_transactions(self) -> None:
        """Let only those go on who are in a transaction: of several shards always one begins."""
        sessions = [one for process in self.processes for one in process.sessions]
        for _ in range(_MOST_TO_END):
            pids = self.database.in_transaction([one.pid for one in sessions])
            actors = [one.actor for one in sessions if one.pid in pids and one.actor is not None]
            runnable = [one for one in actors if one.is_runnable]
            if not runnable:
                break
            self._go(self.dice.choice(runnable))
            self.clock.tick(self.dice.choice(MOMENTS))

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
                    self._await_timeout(actor, session)
        self._settle()

    def _await_timeout(self, actor: Actor, session: Session) -> None:
        """Wait until somebody's wait has ended, however busy the machine: he may have held up others."""
        limit = monotonic() + _END_SECONDS
        while not actor.has_arrived() and session.is_timed_out:
            assert monotonic() < limit, f"{actor.name} waits for a lock for ever"
            sleep(_LOOK_SECONDS)

    def calm(self) -> None:
        """No more faults; what is broken is mended, but not what has happened."""
        self.is_calm = True
        self.broker.away_until = self._down_until = 0
        self._still = {}
        for process in self.processes:
            process.offset = 0
        now = self.clock.now
        self._to_start = [(now, make, name) for _, make, name in self._to_start]
