"""`python -m benchmarks`: throughput and latency of each application, beside the usual way."""

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.backstage.running import Program

from .case import Case
from .cases import CASES, USUAL
from .load import Figures, press


def main() -> None:
    """Measure by turns, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "apps", nargs="*", choices=[[], *CASES], help="which applications; all if none is named"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 16], help="how many ask at once")
    parser.add_argument("--rounds", type=int, default=3, help="whose median counts")
    options = parser.parse_args()
    for name in options.apps or CASES:
        for callers in options.callers:
            compare(CASES[name], callers, options.seconds, options.rounds)


def compare(case: Case, callers: int, seconds: float, rounds: int) -> None:
    """One application and the usual way, by turns, in programs that start anew for each round."""
    ours, usual = [], []
    for _ in range(rounds):
        usual.append(measure(USUAL, max(2, callers), callers, seconds))
        ours.append(measure(case, max(2, callers), callers, seconds))
    print(f"\n{case.name} over HTTP, {callers} at once; each the median of {rounds} rounds of {seconds:g} s")
    print(f"{'':16}{'per second':>12}{'p50 ms':>9}{'p99 ms':>9}{'202':>6}  stands")
    for one, figures in ((case, ours), (USUAL, usual)):
        print(
            f"{one.name:16}{_median(figures, 'per_second'):12.0f}{_median(figures, 'p50_milliseconds'):9.1f}"
            f"{_median(figures, 'p99_milliseconds'):9.1f}{_median(figures, 'running'):6.0f}  {one.survives}"
        )
    ratio = _median(ours, "per_second") / _median(usual, "per_second")
    slower = _median(ours, "p50_milliseconds") / _median(usual, "p50_milliseconds")
    print(f"ratio: {ratio:.2f} of the throughput, {slower:.1f} times the p50", flush=True)


def measure(case: Case, people: int, callers: int, seconds: float) -> Figures:
    """One round, in a program with a folder of its own."""
    with TemporaryDirectory(prefix="swpt-app-", dir="/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        with Program(case.program, {"APP_FOLDER": name, **case.environ}) as program:
            askers = case.make_ready(program, people)[:callers]
            return press(program.address, askers, seconds=seconds)


def _median(figures: list[Figures], name: str) -> float:
    return median(float(getattr(one, name)) for one in figures)


main()
