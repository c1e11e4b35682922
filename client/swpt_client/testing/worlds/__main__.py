"""`python -m swpt_client.testing.worlds`: plays random worlds, and says what has happened in them."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from time import perf_counter

from .counts import Counts
from .running import Failure, play_many

_SHOWN = 10


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m swpt_client.testing.worlds", description=__doc__)
    parser.add_argument("--worlds", type=int, default=300, help="how many (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="of the first; each further one is one more")
    parser.add_argument(
        "--processes",
        type=int,
        default=os.cpu_count() or 1,
        help="how many at once (default: one for each core)",
    )
    parser.add_argument("--trace", action="store_true", help="show where a broken world broke")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Gives 0 if all invariants held in all worlds, else 1."""
    options = _parser().parse_args(arguments)
    begun = perf_counter()
    total = Counts()
    failures: list[Failure] = []
    for counts, broken in play_many(options.seed, options.worlds, options.processes):
        total.add(counts)
        failures += broken
    _say(total.lines())
    _say([f"{perf_counter() - begun:.1f} s in {options.processes} processes"])
    for failure in failures[:_SHOWN]:
        _say(failure.lines())
        if options.trace:
            _say([failure.trace])
    _say([f"{len(failures)} of {options.worlds} worlds broke"])
    return 1 if failures else 0


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
