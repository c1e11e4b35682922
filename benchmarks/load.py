"""What a server has to do: how many transfers, how fast, between which accounts."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from .shapes import account_key

FIRST_CREDITOR: Final = 0x100000000000

Pattern: TypeAlias = Literal["uniform", "hot recipient", "one sender"]
Payment: TypeAlias = tuple[int, int, int]
"""Sender, recipient and amount."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a server has to do."""

    transfers: int
    window: int = 1000
    """So many transfers are on their way at most; of those that shards begin, each has its equal part."""

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

    shards: int = 1
    """On so many equal parts of all keys are the accounts; a power of two."""

    crossing: float = -1.0
    """The part of the payments that goes from one shard to another; below 0: as it comes."""

    def creditor_ids(self) -> list[int]:
        """Whose accounts take part."""
        return [FIRST_CREDITOR + self.stride * number for number in range(self.accounts)]

    def lanes(self, chance: random.Random, number: int) -> list[Iterator[Payment]]:
        """So many payments, by the shard of the sender: a slow one must not keep the others from working."""
        if self.crossing < 0.0:
            return [self._payments(chance, number)]
        places = self._places()
        share = number // len(places)
        return [self._crossing_payments(chance, share, key, places) for key in sorted(places)]

    def _payments(self, chance: random.Random, number: int) -> Iterator[Payment]:
        """So many payments as the pattern wants them."""
        choose, ids = chance.choice, self.creditor_ids()
        for _ in range(number):
            sender = ids[0] if self.pattern == "one sender" else choose(ids)
            recipient = ids[0] if self.pattern == "hot recipient" else choose(ids)
            while sender == recipient:
                other = choose(ids)
                sender, recipient = (other, recipient) if self.pattern == "hot recipient" else (sender, other)
            yield sender, recipient, chance.randint(1, 100)

    def _places(self) -> dict[str, list[int]]:
        """The accounts by the beginnings of their keys, which say the shard."""
        assert self.debtor_id, "which shard an account is on depends on its debtor"
        bits = self.shards.bit_length() - 1
        places: defaultdict[str, list[int]] = defaultdict(list)
        for creditor_id in self.creditor_ids():
            places[account_key(self.debtor_id, creditor_id)[: 2 * bits]].append(creditor_id)
        assert len(places) == self.shards and min(map(len, places.values())) > 1, "enough accounts on each"
        return dict(places)

    def _crossing_payments(
        self, chance: random.Random, number: int, here: str, places: Mapping[str, Sequence[int]]
    ) -> Iterator[Payment]:
        """Payments from one shard, of which a part goes to others."""
        others = [key for key in sorted(places) if key != here]
        for _ in range(number):
            there = chance.choice(others) if chance.random() < self.crossing else here
            sender, recipient = chance.choice(places[here]), chance.choice(places[there])
            while sender == recipient:
                recipient = chance.choice(places[there])
            yield sender, recipient, chance.randint(1, 100)
