"""Plays worlds, says which broke, makes those smaller, and keeps them."""

import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Final, TextIO

import msgspec

from .database import Database
from .mix import FAULTS, PEERS, SHARD_FAULTS, SHARD_PEERS, SPLIT, Mix, draw
from .world import RealWorld

SEEDS: Final = Path(__file__).parent / "seeds"
"""Worlds that broke once: one file for each, played by every run of the tests."""

ALL_ACTS: Final = 1000
"""More than any plan has."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A world, as it can be played again."""

    seed: int
    acts: int = ALL_ACTS
    """At most so many payments and bundles."""
    without: list[str] = []
    """Faults and peers that its seed draws, and that are left out."""
    shards: int = 0
    """How many shards it has; 0 for as many as its seed draws."""
    why: str = ""
    """What was found by it."""

    @property
    def mix(self) -> Mix:
        """What goes wrong in it."""
        return draw(self.seed, self.shards).without(frozenset(self.without))

    def command(self) -> str:
        """How to see it again."""
        acts = "" if self.acts == ALL_ACTS else f" --acts {self.acts}"
        without = "".join(f" --without '{name}'" for name in self.without)
        shards = f" --shards {self.shards}" if self.shards else ""
        return f"python -m simulation --seed {self.seed} --worlds 1{acts}{shards}{without}"


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened in a world."""

    case: Case
    steps: int
    trace: str
    """A hash of all that happened, in its order."""
    counts: Counter[str]
    seconds: float
    error: str = ""
    where: str = ""


def play(case: Case, database: Database, log: TextIO | None = None) -> Played:
    """Play one world to its end, or until it breaks."""
    begun = perf_counter()
    error = where = ""
    world = RealWorld(case.seed, case.mix, database, case.acts)
    world.machine.log = log
    try:
        world.live()
    except Exception as broken:
        error, where = f"{type(broken).__name__}: {broken}"[:2000], traceback.format_exc()
    machine = world.machine
    counts = machine.counts + machine.broker.counts + Counter({"audits": world.auditors[0].looks})
    counts += machine.network.counts + world.refusals.counts
    if world.exchange is not None:
        counts += world.committed()
        counts["splits"] = int(world.split is not None and world.split.is_done)
        counts["credits between shards"] = world.exchange.counts["credits"]
        counts[f"worlds of {len(machine.shards)} shards"] = 1
    counts += Counter({"client crash": world.crashes.counts.total(), "transfers": len(world.finished)})
    return Played(
        case=case,
        steps=machine.steps,
        trace=machine.trace.hexdigest(),
        counts=counts,
        seconds=perf_counter() - begun,
        error=error,
        where=where,
    )


def shrink(broken: Played, database: Database) -> Iterator[Played]:
    """Smaller and smaller worlds that break as well: with fewer faults, then with fewer acts."""
    for name in (SPLIT, *FAULTS, *PEERS, *SHARD_FAULTS, *SHARD_PEERS):
        mix = broken.case.mix
        if name in mix.faults or name in mix.peers or (name == SPLIT and mix.split):
            case = msgspec.structs.replace(broken.case, without=[*broken.case.without, name])
            if (again := play(case, database)).error:
                broken = again
                yield broken
    acts = min(broken.case.acts, 16)
    while acts > 2:
        acts = acts // 2
        again = play(msgspec.structs.replace(broken.case, acts=acts), database)
        if not again.error:
            break
        broken = again
        yield broken


def save(broken: Played) -> Path:
    """Keep a world that broke, so that the tests play it from now on."""
    case = msgspec.structs.replace(broken.case, why=broken.error.split("\n")[0][:200])
    SEEDS.mkdir(exist_ok=True)
    path = SEEDS / f"{case.seed}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(case), indent=2) + b"\n")
    return path


def saved() -> list[Case]:
    """All worlds that broke once."""
    return [msgspec.json.decode(path.read_bytes(), type=Case) for path in sorted(SEEDS.glob("*.json"))]
