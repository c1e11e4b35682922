"""Waiting for an outcome: not for long, not by too many, and without a connection to the database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Event, Lock
from time import monotonic, sleep
from typing import Final, TypeVar

from sqlalchemy import event
from sqlalchemy.orm import Session

from swpt_client.errors import StoreAway

from .database import Database, InDoubt
from .problems import Problem

T = TypeVar("T")
WAIT_SECONDS: Final = 2.0
_BELLS: Final = "house.bells"
_LOOK_SECONDS: Final = 0.25
"""So often a waiting request looks for what another process has changed."""


class Bells:
    """Wake whoever waits for something of a name, when the transaction that changed it is committed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: dict[str, list[Event]] = {}

    def ring(self, session: Session, name: str) -> None:
        """When the transaction of the session is committed, wake those who wait for the name."""

        names: set[str] | None = session.info.get(_BELLS)
        if names is None:
            names = session.info[_BELLS] = set()
            event.listen(session, "after_commit", self._committed)
        names.add(name)

    def _committed(self, session: Session) -> None:
        # A savepoint that is released has committed nothing yet.
        if session.in_nested_transaction():
            return
        names: set[str] = session.info[_BELLS]
        done = tuple(names)
        names.clear()
        for name in done:
            self._ring(name)

    def _ring(self, name: str) -> None:
        with self._lock:
            for one in self._waiting.get(name, ()):
                one.set()

    @contextmanager
    def hear(self, name: str) -> Iterator[Event]:
        """While it lasts, the event is set whenever the bell rings."""
        bell = Event()
        with self._lock:
            self._waiting.setdefault(name, []).append(bell)
        try:
            yield bell
        finally:
            with self._lock:
                bells = self._waiting[name]
                bells.remove(bell)
                if not bells:
                    del self._waiting[name]


class Waiting:
    """Lets requests wait, at most `places` at once: the other threads go on serving."""

    def __init__(self, database: Database, bells: Bells, places: int, seconds: float = WAIT_SECONDS) -> None:
        self._database = database
        self._bells = bells
        self._places = BoundedSemaphore(places)
        self._seconds = seconds

    def until(self, name: str, look: Callable[[Session], T], is_over: Callable[[T], bool]) -> T:
        """What `look` sees when `is_over` says so, or after two seconds; at once if all places are taken.

        `name` is the bell that rings when there is something new to see.  While the database is away,
        what was seen before is as good as it gets; if nothing was, raises Problem STILL_RUNNING: what is
        waited for has been stored, and nobody may be told that it has not.
        """
        now = monotonic()
        with self._bells.hear(name) as bell:
            if not self._places.acquire(blocking=False):
                return self._first(look, name, now)
            try:
                seen = self._first(look, name, now + self._seconds)
                return self._wait(bell, seen, look, is_over, now + self._seconds)
            finally:
                self._places.release()

    def _first(self, look: Callable[[Session], T], name: str, deadline: float) -> T:
        while True:
            try:
                return self._database.transact(look)
            except (StoreAway, InDoubt):
                if monotonic() >= deadline:
                    raise Problem("STILL_RUNNING", id=name) from None
            sleep(_LOOK_SECONDS)

    def _wait(
        self,
        bell: Event,
        seen: T,
        look: Callable[[Session], T],
        is_over: Callable[[T], bool],
        deadline: float,
    ) -> T:
        while not is_over(seen) and (left := deadline - monotonic()) > 0:
            bell.wait(min(left, _LOOK_SECONDS))
            bell.clear()
            try:
                seen = self._database.transact(look)
            except (StoreAway, InDoubt):
                continue
        return seen
