"""SIGINT, SIGTERM and SIGHUP, noticed where it is safe to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """Somebody wants us to stop."""


class Interruption:
    """Remembers the first signal that has come."""

    def __init__(self) -> None:
        self.number = 0

    @property
    def is_wanted(self) -> bool:
        """Whether a signal has come."""
        return self.number != 0

    @property
    def exit_code(self) -> int:
        """What a shell reports for a process that ends by this signal."""
        return 128 + self.number

    def check(self) -> None:
        """Raises Interrupted if a signal has come."""
        if self.is_wanted:
            raise Interrupted

    def remember(self, number: int, frame: Any) -> None:
        """Handle a signal; those that follow change nothing, because we are stopping already."""
        self.number = self.number or number


@contextmanager
def noticing_signals() -> Iterator[Interruption]:
    """Signals are only remembered inside this context, so that nothing is left half done."""
    interruption = Interruption()
    former = [(number, signal.signal(number, interruption.remember)) for number in _SIGNALS]
    try:
        yield interruption
    finally:
        for number, handler in former:
            signal.signal(number, handler)
