"""A careless postman: brings some things twice, some late, and loses some of those that may be lost."""

import heapq
from itertools import count
from random import Random
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_TWICE: Final = 0.1
_LATE: Final = 0.2
_LOST: Final = 0.02
_MOST_OVERTAKING: Final = 400


class Disorder(Generic[T]):
    """Passes things on; what is late, or comes a second time, is overtaken by things that follow."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._held: list[tuple[int, int, T]] = []
        self._serials = count()
        self._passed = 0
        self.twice = 0
        self.late = 0
        self.lost = 0

    def pass_on(self, thing: T, *, may_be_lost: bool = False) -> list[T]:
        """What arrives when this thing is posted; maybe the thing itself, maybe older ones."""
        self._passed += 1
        arriving = self._due()
        if may_be_lost and self._happens(_LOST):
            self.lost += 1
            return arriving
        if self._happens(_LATE):
            self.late += 1
            self._hold(thing)
        else:
            arriving.append(thing)
        if self._happens(_TWICE):
            self.twice += 1
            self._hold(thing)
        return arriving

    def pass_all(self) -> list[T]:
        """Everything that was held back, for when nothing follows that could overtake it."""
        things = [thing for *_, thing in self._held]
        self._held.clear()
        self._chance.shuffle(things)
        return things

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held back."""
        return not self._held

    def _happens(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _hold(self, thing: T) -> None:
        due = self._passed + self._chance.randint(1, _MOST_OVERTAKING)
        heapq.heappush(self._held, (due, next(self._serials), thing))

    def _due(self) -> list[T]:
        things = []
        while self._held and self._held[0][0] <= self._passed:
            things.append(heapq.heappop(self._held)[2])
        return things
