"""Event loops of asyncio in the time of the world: who has nothing to do in one stands at a step."""

import asyncio
from collections.abc import Callable
from selectors import DefaultSelector
from typing import Any

from .actors import current


class NeverWaits(DefaultSelector):
    """Looks at its files, and does not wait for them: a loop waits as its actor."""

    def select(self, timeout: float | None = None) -> Any:
        """What can be read or written now."""
        return super().select(0)


class SteppedLoop(asyncio.SelectorEventLoop):
    """Runs in the thread of an actor, by the seconds of the world."""

    _ready: Any
    _scheduled: Any
    _stopping: bool
    _clock_resolution: float

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._seconds = monotonic
        super().__init__(NeverWaits())
        # What is due within it is due now; after months a nanosecond is less than these floats can tell.
        self._clock_resolution = 1e-6

    def __del__(self) -> None:
        # A process that was killed has closed nothing.
        if not self.is_closed():
            self.close()

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._seconds()

    def _run_once(self) -> None:
        actor = current()
        if actor is not None and not self._has_work():
            actor.sleep("loop", self._has_work)
        super()._run_once()  # type: ignore[misc]

    def _has_work(self) -> bool:
        is_due = bool(self._scheduled) and self._scheduled[0].when() <= self.time()
        return bool(self._ready) or self._stopping or is_due


class SteppedLoops(asyncio.DefaultEventLoopPolicy):
    """Makes such loops wherever somebody wants one."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._seconds = monotonic

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A loop in the time of the world."""
        return SteppedLoop(self._seconds)
