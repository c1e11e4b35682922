"""A network that loses, doubles, delays and shuffles messages, all from a seed."""

from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Final, Generic, TypeVar

import msgspec

from swpt_client.moments import HOUR, Moment

_T = TypeVar("_T")


class Odds(msgspec.Struct, frozen=True, kw_only=True):
    """How bad a way is: probabilities, for each message alone."""

    lost: float = 0.0
    """It never arrives."""
    doubled: float = 0.0
    """It arrives twice."""
    late: float = 0.0
    """It arrives after a random delay."""
    longest_delay: int = HOUR
    """Microseconds."""
    is_shuffled: bool = False
    """Messages arrive in any order; otherwise as they were sent, but for the late ones."""


PERFECT: Final = Odds()
BAD: Final = Odds(lost=0.1, doubled=0.2, late=0.1, is_shuffled=True)
SLOW: Final = Odds(doubled=0.2, late=0.2, is_shuffled=True)
"""Loses nothing, as a broker's queue: what is lost on its way comes late."""


class Way(Generic[_T]):
    """One direction of a network.  What is taken comes again, until it is acknowledged."""

    def __init__(self, dice: Random, now: Callable[[], Moment], odds: Odds = PERFECT) -> None:
        self._dice = dice
        self._now = now
        self.odds = odds
        self.is_cut = False
        """Set it: messages are taken, and wait."""
        self.counts: Counter[str] = Counter()
        """How many were `sent`, `lost`, `doubled`, `late`, and came `again`."""
        self._number = 0
        self._waiting: list[tuple[int, _T]] = []
        self._late: list[tuple[Moment, int, _T]] = []
        self._taken: dict[int, _T] = {}

    def __len__(self) -> int:
        """How many messages are on their way, or taken and not acknowledged."""
        return len(self._waiting) + len(self._late) + len(self._taken)

    def put(self, messages: Sequence[_T]) -> None:
        """Send messages."""
        dice, odds = self._dice, self.odds
        self.counts["sent"] += len(messages)
        for message in messages:
            if odds.lost and dice.random() < odds.lost:
                self.counts["lost"] += 1
                continue
            self._post(message)
            if odds.doubled and dice.random() < odds.doubled:
                self.counts["doubled"] += 1
                self._post(message)

    def _post(self, message: _T) -> None:
        self._number += 1
        if self.odds.late and self._dice.random() < self.odds.late:
            self.counts["late"] += 1
            at = self._now() + self._dice.randrange(self.odds.longest_delay)
            heappush(self._late, (at, self._number, message))
        else:
            self._waiting.append((self._number, message))

    def take(self, most: int) -> list[tuple[int, _T]]:
        """Messages that have arrived, each with its tag."""
        if self.is_cut:
            return []
        now, waiting = self._now(), self._waiting
        while self._late and self._late[0][0] <= now:
            _, number, message = heappop(self._late)
            waiting.append((number, message))
        count = min(most, len(waiting))
        if self.odds.is_shuffled:
            for place in range(count):
                other = self._dice.randrange(place, len(waiting))
                waiting[place], waiting[other] = waiting[other], waiting[place]
        taken = waiting[:count]
        del waiting[:count]
        self._taken.update(taken)
        return taken

    def ack(self, tags: Sequence[int]) -> None:
        """Taken messages are done with."""
        for tag in tags:
            self._taken.pop(tag, None)

    def give_back(self, tags: Sequence[int] | None = None) -> None:
        """The receiver has died: what is not acknowledged comes again; of several only what one has taken."""
        tags = list(self._taken) if tags is None else [tag for tag in tags if tag in self._taken]
        self.counts["again"] += len(tags)
        self._waiting[:0] = [(tag, self._taken.pop(tag)) for tag in tags]

    def now(self) -> Moment:
        """The moment by which messages are late."""
        return self._now()

    def due_at(self) -> Moment | None:
        """When the next message arrives; None if none is on its way."""
        if self.is_cut:
            return None
        if self._waiting:
            return self._now()
        return self._late[0][0] if self._late else None
