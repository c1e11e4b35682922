"""What goes wrong in a world, and how it is set up, drawn from its seed: another mix for each."""

from collections.abc import Mapping
from random import Random
from typing import Final

import msgspec

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


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """The faults of a world, each with its odds, and the processes of the server."""

    workers: int
    chores: int
    batch_messages: int
    faults: Mapping[str, float]
    peers: frozenset[str]
    settings: Mapping[str, str]

    def odds(self, fault: str) -> float:
        """How probable a fault is at each of its chances."""
        return self.faults.get(fault, 0.0)

    def without(self, names: frozenset[str]) -> "Mix":
        """The same without some of the faults and peers."""
        faults = {name: odds for name, odds in self.faults.items() if name not in names}
        return msgspec.structs.replace(self, faults=faults, peers=self.peers - names)


def draw(seed: int) -> Mix:
    """The mix of a seed."""
    dice = Random(f"{seed} mix")
    share = dice.choice((0.2, 0.5, 0.8))
    faults = {}
    for name, (least, most) in FAULTS.items():
        is_there, odds = dice.random() < share, least * (most / least) ** dice.random()
        if is_there:
            faults[name] = odds
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
