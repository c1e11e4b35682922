"""The time of a world: it stands still until it is moved, and who must know of a leap is told."""

from collections.abc import Callable
from typing import Final

from swpt_client.moments import SECOND, Moment
from swpt_client.testing.clock import Clock

_A_LEAP: Final = 5 * SECOND


class Time(Clock):
    """The right clock; that of a process may be wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def tick(self, duration: int) -> None:
        """Let a short time pass."""
        super().advance(duration)

    def advance(self, duration: int) -> Moment:
        """Let time pass."""
        if duration < _A_LEAP:
            return super().advance(duration)
        self.before()
        super().advance(duration)
        self.after()
        return self.now

    def advance_to(self, moment: Moment) -> Moment:
        """Go to a moment, unless it is over."""
        self.advance(max(0, moment - self.now))
        return self.now
