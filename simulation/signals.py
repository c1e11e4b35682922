"""What actors wait for: an event and a condition, as those of `threading`, but in the time of the world."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from .actors import current

Monotonic = Callable[[], float]
"""Seconds that have passed in the world."""


class SteppedEvent:
    """Like threading.Event.  Outside of an actor nobody waits."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._is_set = False

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._is_set

    def set(self) -> None:
        """It happens."""
        self._is_set = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it happens, or the seconds have passed; says whether it has happened."""
        actor = current()
        if actor is not None and not self._is_set:
            until = None if timeout is None else self._monotonic() + timeout
            actor.sleep("wait", lambda: self._is_set or (until is not None and self._monotonic() >= until))
        return self._is_set


class SteppedCondition:
    """Like threading.Condition: it excludes nobody, because one runs at a time."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._is_notified = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def notify(self) -> None:
        """Wake who waits."""
        self._is_notified = True

    def notify_all(self) -> None:
        """Wake all who wait."""
        self._is_notified = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until somebody notifies, or the seconds have passed; says whether somebody did."""
        self._is_notified = False
        actor = current()
        if actor is not None:
            until = None if timeout is None else self._monotonic() + timeout
            actor.sleep("wait", lambda: self._is_notified or self._is_over(until))
        return self._is_notified

    def _is_over(self, until: float | None) -> bool:
        return until is not None and self._monotonic() >= until
