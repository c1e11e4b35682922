"""What goes wrong in a world, and how it is set up, drawn from its seed: another mix for each."""

from collections.abc import Mapping
from random import Random
from typing import Final

import msgspec

from swpt_client.testing.worlds.plan import CREDITORS, SUBNET

FAULTS: Final[Mapping[str, tuple[float, float]]] = {
    "crash": (0.0002, 0.003),
    "vanish": (0.0002, 0.003),
    "lose session": (0.0005, 0.01),
    "lose commit": (0.005, 0.05),
    "restart database": (0.0001, 0.001),
    "drop connection": (0.0005, 0.01),
    "lose confirm": (0.01, 0.2),
    "nack": (0.01, 0.2),
    "return": (0.01, 0.2),
    "broker away": (0.0001, 0.001),
    "jump clock": (0.0002, 0.003),
    "stand still": (0.0005, 0.005),
}
"""Each with the least and the most probable that it is, at each chance that it has."""

PEERS: Final = ("garbage", "repeats", "careless")
"""What others send who do not keep their duties."""

SHARD_FAULTS: Final[Mapping[str, tuple[float, float]]] = {
    "shard away": (0.00001, 0.0002),
    "refuse question": (0.02, 0.3),
    "lose question": (0.02, 0.3),
    "slow question": (0.05, 0.5),
    "old answer": (0.2, 1.0),
    "lose answer": (0.02, 0.3),
    "spoil answer": (0.02, 0.3),
    "stray copy": (0.01, 0.1),
}
"""The same, of a node of several shards."""

SHARD_PEERS: Final = ("forger",)
"""Others who wrong a node of several shards."""

SPLIT: Final = "split"
"""Not a fault, but left out as one."""

NODES: Final[Mapping[int, tuple[str, ...]]] = {
    1: ("#",),
    2: ("0.#", "1.#"),
    3: ("0.#", "1.0.#", "1.1.#"),
    4: ("0.#", "1.0.#", "1.1.0.#", "1.1.1.#"),
}
"""The realms of a node of so many shards; in the last one the root accounts are alone."""

_SPREAD: Final = tuple(SUBNET + number for number in (0x01, 0x10, 0x05, 0x02))
"""Creditors whose keys begin with 0.0, 0.1, 1.0 and 1.1.0; that of their root account begins with 1.1.1."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """The faults of a world, each with its odds, and the processes of the server."""

    workers: int
    chores: int
    batch_messages: int
    faults: Mapping[str, float]
    peers: frozenset[str]
    settings: Mapping[str, str]
    realms: tuple[str, ...] = NODES[1]
    """The binding keys of the shards, each of which has so many processes."""
    split: str = ""
    """The binding key of a shard that is split while the world goes on, or none."""
    split_at: float = 0.0
    """When that begins: after this part of all that is to happen."""
    webs: int = 0
    """Processes of a shard that answer the others."""

    @property
    def creditors(self) -> tuple[int, ...]:
        """Who pays in it; between shards money goes only if they are on several of them."""
        return CREDITORS if len(self.realms) == 1 else _SPREAD

    def odds(self, fault: str) -> float:
        """How probable a fault is at each of its chances."""
        return self.faults.get(fault, 0.0)

    def without(self, names: frozenset[str]) -> "Mix":
        """The same without some of the faults and peers."""
        faults = {name: odds for name, odds in self.faults.items() if name not in names}
        split = "" if SPLIT in names else self.split
        return msgspec.structs.replace(self, faults=faults, peers=self.peers - names, split=split)


def draw(seed: int, shards: int = 0) -> Mix:
    """The mix of a seed; with so many shards, or 0 to draw how many."""
    mix, dice = _draw_one(seed), Random(f"{seed} shards")
    drawn = dice.choice((1, 1, 2, 2, 3, 4))
    count = shards or drawn
    if count == 1:
        return mix
    share = dice.choice((0.2, 0.5, 0.8))
    split, split_at = _draw_split(seed, NODES[count])
    retry, max_age = dice.choice(("5", "60")), dice.choice(("60", "3600"))
    return msgspec.structs.replace(
        mix,
        # Each of them has several threads, and so has each of the shards.
        workers=min(mix.workers, 2 if count == 2 else 1),
        chores=1,
        realms=NODES[count],
        split=split,
        split_at=split_at,
        webs=dice.choice((1, 1, 2)),
        faults={**mix.faults, **_faults(dice, SHARD_FAULTS, share)},
        peers=mix.peers | {name for name in SHARD_PEERS if dice.random() < share},
        settings={
            **mix.settings,
            "FETCH_RETRY_MAX_DELAY": retry,
            "ROOT_CONFIG_CACHE_TTL": max_age,
            "FETCH_API_CONFIG_MAX_AGE": max_age,
        },
    )


def _draw_split(seed: int, realms: tuple[str, ...]) -> tuple[str, float]:
    """Which shard is split in a world, if any, and when; four shards are enough."""
    dice = Random(f"{seed} split")
    is_wanted, which, at = dice.random() < 0.5, dice.random(), dice.random()
    if len(realms) == max(NODES) or not is_wanted:
        return "", at
    return realms[int(which * len(realms))], at


def _faults(dice: Random, known: Mapping[str, tuple[float, float]], share: float) -> dict[str, float]:
    faults = {}
    for name, (least, most) in known.items():
        is_there, odds = dice.random() < share, least * (most / least) ** dice.random()
        if is_there:
            faults[name] = odds
    return faults


def _draw_one(seed: int) -> Mix:
    """The mix of a seed for a server of all accounts."""
    dice = Random(f"{seed} mix")
    share = dice.choice((0.2, 0.5, 0.8))
    faults = _faults(dice, FAULTS, share)
    return Mix(
        workers=dice.choice((1, 1, 2, 2, 3)),
        chores=dice.choice((1, 1, 2)),
        batch_messages=dice.choice((1, 3, 8)),
        faults=faults,
        peers=frozenset(name for name in PEERS if dice.random() < share),
        settings={
            "ACCOUNT_UPDATE_DELAY": dice.choice(("0", "1", "60")),
            "ACCOUNT_UPDATE_MIN_INTERVAL": dice.choice(("0", "60")),
            "MAX_DELIVERY_ATTEMPTS": dice.choice(("20", "100")),
            "OUTBOX_RETRY_MAX_DELAY": dice.choice(("10", "600")),
        },
    )
