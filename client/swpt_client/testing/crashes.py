"""Crashes at named steps: what is not stored is lost, what is not acknowledged comes again."""

from collections import Counter
from random import Random
from typing import Final

CLIENT_STEPS: Final = ("before_fold", "before_commit", "after_commit", "claimed", "published")
SERVER_STEPS: Final = ("received", "before_store", "after_store", "sent")


class Crash(Exception):
    """The process dies at a step."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


class Crashes:
    """Dies at each named step with a probability, from a seed; `counts` tells how often it did."""

    def __init__(self, dice: Random, odds: float = 0.0) -> None:
        self._dice = dice
        self.odds = odds
        self.counts: Counter[str] = Counter()

    def __call__(self, step: str) -> None:
        """Raises Crash, maybe."""
        if self.odds and self._dice.random() < self.odds:
            self.counts[step] += 1
            raise Crash(step)
