"""Pauses between attempts that double, each shortened at random."""

import random


class Pauses:
    """Pauses in seconds from `first` on, which double up to `longest`.

    Each is shortened by up to a half, so that the processes that one outage has hit do not all come back
    at once.
    """

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._next = first_seconds

    def draw(self) -> float:
        """The next pause in seconds."""
        pause = self._next
        self._next = min(2 * pause, self._longest)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret

    def reset(self) -> None:
        """Start again with a short pause."""
        self._next = self._first
