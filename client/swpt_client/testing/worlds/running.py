"""Plays worlds, one after the other or side by side, and says which of them broke."""

import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

import msgspec

from swpt_client.testing.client import MemoryClient

from .counts import Counts
from .invariants import check
from .world import ClientMaker, World

_AT_ONCE = 25


class Failure(msgspec.Struct, frozen=True):
    """A world that broke."""

    seed: int
    what: str
    trace: str

    def lines(self) -> Iterator[str]:
        """For a person, with the way to see it again."""
        yield f"world {self.seed} broke: {self.what}"
        yield f"again: python -m swpt_client.testing.worlds --worlds 1 --seed {self.seed} --trace"


def play(seed: int, make_client: ClientMaker = MemoryClient, longest: int | None = None) -> Counts | Failure:
    """One world, from its seed.  `longest` bounds the rounds in which it must end."""
    try:
        world = World(seed, make_client, longest=longest)
        counts = world.play()
        check(world)
    except Exception as error:
        return Failure(seed, f"{type(error).__name__}: {error}", traceback.format_exc())
    return counts


def play_some(seeds: Iterable[int]) -> tuple[Counts, list[Failure]]:
    """Some worlds, one after the other."""
    total = Counts()
    failures = []
    for seed in seeds:
        done = play(seed)
        if isinstance(done, Failure):
            failures.append(done)
        else:
            total.add(done)
    return total, failures


def play_many(first: int, worlds: int, processes: int) -> Iterator[tuple[Counts, list[Failure]]]:
    """Worlds with seeds from `first` on, in portions."""
    portions = [
        range(seed, min(seed + _AT_ONCE, first + worlds)) for seed in range(first, first + worlds, _AT_ONCE)
    ]
    if processes == 1:
        yield from map(play_some, portions)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(play_some, portions)
