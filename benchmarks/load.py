"""What a server has to do: how many transfers, how fast, between which accounts."""

import random
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec

FIRST_CREDITOR: Final = 0x100000000000

Pattern: TypeAlias = Literal["uniform", "hot recipient", "one sender"]
Payment: TypeAlias = tuple[int, int, int]
"""Sender, recipient and amount."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a server has to do."""

    transfers: int
    window: int = 1000
    """So many transfers are on their way at most."""

    rate: float = 0.0
    """Begin so many per second, however the server does; 0: as the window allows."""

    pause_seconds: float = 0.0
    """Wait at random up to this before each transfer: it unlocks us from the server's own timers."""

    seconds: float = 0.0
    """Begin no more after this time; 0: only the number counts."""

    pattern: Pattern = "uniform"
    accounts: int = 1000
    stride: int = 1
    """The distance between the creditor ids of two accounts."""

    debtor_id: int = 0
    """0: a new one."""

    warm_up: int = 2000
    """Transfers before the measurement."""

    seed: int = 1

    def creditor_ids(self) -> list[int]:
        """Whose accounts take part."""
        return [FIRST_CREDITOR + self.stride * number for number in range(self.accounts)]

    def payments(self, chance: random.Random, number: int) -> Iterator[Payment]:
        """So many payments as the pattern wants them."""
        choose, ids = chance.choice, self.creditor_ids()
        for _ in range(number):
            sender = ids[0] if self.pattern == "one sender" else choose(ids)
            recipient = ids[0] if self.pattern == "hot recipient" else choose(ids)
            while sender == recipient:
                other = choose(ids)
                sender, recipient = (other, recipient) if self.pattern == "hot recipient" else (sender, other)
            yield sender, recipient, chance.randint(1, 100)
