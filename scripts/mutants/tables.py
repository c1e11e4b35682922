"""The score of each room, as a table."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from .parts import Part
from .results import Mutant

_HEAD = ("room", "mutants", "tried", "killed", "live", "score")


def scores(part: Part, mutants: Iterable[Mutant]) -> Iterator[str]:
    """Lines of a table: each room, then all of them."""
    everything = list(mutants)
    yield "{:28}{:>8}{:>8}{:>8}{:>8}{:>9}".format(*_HEAD)
    for path, of_room in groupby(everything, lambda mutant: mutant.path):
        yield _line(path.removeprefix(f"{part.package}/").removesuffix(".py"), list(of_room))
    yield _line("all", everything)


def _line(room: str, mutants: list[Mutant]) -> str:
    tried = sum(mutant.was_tried for mutant in mutants)
    killed = sum(mutant.is_killed for mutant in mutants)
    score = f"{100 * killed / tried:.1f} %" if tried else "-"
    return f"{room:28}{len(mutants):8}{tried:8}{killed:8}{tried - killed:8}{score:>9}"
