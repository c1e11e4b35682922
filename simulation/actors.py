"""Threads of which exactly one runs at a time, until its next step.

What a process does stands in an actor, with a thread of its own.  An actor goes on when the scheduler
says so, and stops at its next step; so a seed that chooses who goes on repeats the whole run.  Who waits for
a lock of the database does not come to a step: that is seen in the database, and others go on.
"""

import sys
import threading
import traceback
from collections.abc import Callable
from enum import Enum, auto
from threading import Semaphore, Thread
from typing import Final, Protocol

_LOOK_SECONDS: Final = 0.002
"""After so long without a step the scheduler asks whether a lock is waited for."""

_HANGS_AFTER_LOOKS: Final = 5_000


class Killed(BaseException):
    """The process of this actor is gone: its thread ends, and does nothing more."""


class Hangs(AssertionError):
    """An actor comes to no step, and waits for no lock: a fault of the simulation, or of the database."""


class State(Enum):
    """What an actor does."""

    READY = auto()
    SLEEPING = auto()
    BLOCKED = auto()
    ENDED = auto()


class Locks(Protocol):
    """Who knows which sessions of the database wait for a lock."""

    def blocked(self, sessions: list[int]) -> set[int]:
        """Those of the sessions that wait for a lock which another session holds."""


_here = threading.local()


def current() -> "Actor | None":
    """The actor in whose thread this is called; None in all other threads."""
    actor: Actor | None = getattr(_here, "actor", None)
    return actor


def step(name: str) -> None:
    """Come to a named step: the others have their turn.  Raises Killed if the process is gone."""
    actor = current()
    if actor is not None:
        actor.pause(name)


class Actor:
    """A thread that goes from step to step."""

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        self.name = name
        self.state = State.READY
        self.at = "start"
        """The step at which it stands."""
        self.is_killed = False
        self.session: int | None = None
        """The session of the database in which its statement is at hand."""
        self.blocked_since = 0
        self.wakes: Callable[[], bool] = lambda: True
        """Whether a sleeper has slept enough."""
        self.error: BaseException | None = None
        self._arrival = "start", State.READY
        """Where its thread has come to; it counts when the scheduler takes notice."""
        self._body = body
        self._may_go = Semaphore(0)
        self._stands = Semaphore(0)
        self._thread = Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        _here.actor = self
        self._may_go.acquire()
        try:
            if not self.is_killed:
                self._body()
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self._arrival = "end", State.ENDED
            self._stands.release()

    # --- in its own thread ------------------------------------------------------------------------

    def pause(self, name: str) -> None:
        """Stand at a step until it goes on."""
        self._stand(name, State.READY)

    def sleep(self, name: str, wakes: Callable[[], bool]) -> None:
        """Stand at a step until it has slept enough."""
        self.wakes = wakes
        self._stand(name, State.SLEEPING)

    def _stand(self, name: str, state: State) -> None:
        if self.is_killed:
            raise Killed
        self._arrival = name, state
        self._stands.release()
        self._may_go.acquire()
        if self.is_killed:
            raise Killed

    # --- in the thread of the scheduler -----------------------------------------------------------

    @property
    def is_runnable(self) -> bool:
        """Whether it can go on now."""
        return self.state is State.READY or (self.state is State.SLEEPING and self.wakes())

    def go(self, locks: Locks) -> None:
        """Let it go to its next step, or until it waits for a lock.  Raises Hangs, or its own error."""
        self.state = State.READY
        self._may_go.release()
        for _ in range(_HANGS_AFTER_LOOKS):
            if self._stands.acquire(timeout=_LOOK_SECONDS):
                self._notice()
                return
            session = self.session
            if session is not None and locks.blocked([session]):
                self.state = State.BLOCKED
                return
        raise Hangs(f"{self.name} has left {self.at!r}, and comes to no step: {self.where()}")

    def where(self) -> str:
        """Where its thread is now."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)[-6:])

    def has_arrived(self) -> bool:
        """Whether one that was blocked stands at its next step by now."""
        if not self._stands.acquire(blocking=False):
            return False
        self._notice()
        return True

    def unwind(self) -> None:
        """Let the thread of one that is killed, and waits for nothing, end."""
        self._may_go.release()
        self._thread.join(10.0)
        if self._thread.is_alive():
            raise Hangs(f"{self.name} was killed at {self.at!r}, and lives")

    def await_end(self) -> None:
        """The same of one that is killed, and whose statement has been ended."""
        self._thread.join(10.0)
        if self._thread.is_alive():
            raise Hangs(f"{self.name} was killed at {self.at!r}, and waits for its statement")

    def _notice(self) -> None:
        (self.at, self.state), self.session = self._arrival, None
        if self.error is not None and not self.is_killed:
            raise self.error
