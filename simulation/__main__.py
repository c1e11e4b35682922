"""`python -m simulation`: plays worlds from a seed on, until they have made so many steps together."""

import sys
from argparse import ArgumentParser, FileType
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from time import perf_counter

from tests.services.errors import ServiceMissing

from .database import Database, own_database
from .mix import NODES
from .running import ALL_ACTS, Case, Played, play, save, shrink


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first world; each further one is one more"
    )
    parser.add_argument("--steps", type=int, default=50_000, help="in all worlds together (default: 50000)")
    parser.add_argument("--worlds", type=int, help="end after so many worlds")
    parser.add_argument("--acts", type=int, default=ALL_ACTS, help="at most so many payments in a world")
    parser.add_argument(
        "--shards", type=int, choices=(0, *NODES), default=0, help="in each world; 0: as its seed draws"
    )
    parser.add_argument("--without", action="append", default=[], help="a fault or a peer that is left out")
    parser.add_argument("--log", type=FileType("w"), help="a file for all that happens, step by step")
    parser.add_argument("--trace", action="store_true", help="show where a broken world broke")
    parser.add_argument("--keep", action="store_true", help="keep broken worlds in simulation/seeds/")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives 0 if all invariants held in all worlds, else 1."""
    options = _parser().parse_args(arguments)
    steps, worlds, broken, begun = 0, 0, 0, perf_counter()
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        try:
            database = stack.enter_context(own_database())
        except ServiceMissing as error:
            _say(str(error))
            return 1
        while steps < options.steps and (options.worlds is None or worlds < options.worlds):
            case = Case(
                seed=options.seed + worlds, acts=options.acts, shards=options.shards, without=options.without
            )
            played = play(case, database, options.log)
            steps, worlds = steps + played.steps, worlds + 1
            counts += played.counts
            if played.error:
                broken += 1
                _tell(played, database, is_traced=options.trace, is_kept=options.keep)
            _say(
                f"world {case.seed}: {played.steps} steps, {played.seconds:.1f} s, trace {played.trace[:16]}"
            )
    seconds = perf_counter() - begun
    _say(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    _say(f"{steps} steps in {worlds} worlds, {seconds:.1f} s, {steps / seconds:.0f} steps/s; {broken} broke")
    return 1 if broken else 0


def _tell(played: Played, database: Database, *, is_traced: bool, is_kept: bool) -> None:
    _say(f"world {played.case.seed} broke after {played.steps} steps: {played.error}")
    if is_traced:
        _say(played.where)
    for smaller in shrink(played, database) if is_kept else ():
        played = smaller
    if is_kept:
        _say(f"kept as {save(played)}")
    _say(f"again: {played.case.command()} --trace")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
