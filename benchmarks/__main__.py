"""`python -m benchmarks short` prints the table of README.md; `long` the rows that take their time."""

import argparse
import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from tests.services.errors import ServiceMissing

from . import shards
from .generator import Silence, Wrong
from .manners import mannered, new_file, positive, whole
from .measurements import Lab, Scale, cores, processor_table
from .site import NotDurable, site
from .table import Row, render

_RESULTS: Final = Path(__file__).parent / "results"

# Which measurements a run consists of; `steady` goes on from `sustained`.
_RUNS: Final[dict[str, tuple[Callable[[Lab], list[Row]], ...]]] = {
    "short": (Lab.sustained, Lab.counted, Lab.procedures, Lab.idle, Lab.steady),
    "long": (Lab.careful, Lab.two_workers, Lab.memory, Lab.pressure, Lab.growth),
    "sustained": (Lab.sustained,),
    "counted": (Lab.counted,),
    "procedures": (Lab.procedures,),
    "idle": (Lab.idle,),
    "steady": (Lab.sustained, Lab.steady),
    "careful": (Lab.careful,),
    "workers": (Lab.two_workers,),
    "memory": (Lab.memory,),
    "pressure": (Lab.pressure,),
    "growth": (Lab.growth,),
}


def main() -> None:
    """Run, print the table, and write everything as JSON; a target that is missed is no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "run", choices=[*_RUNS, "core", "shards"], help="which rows; core always does the same"
    )
    parser.add_argument("--transfers", type=whole, default=20_000, help="of one run at full scale")
    parser.add_argument("--rounds", type=whole, default=3, help="repetitions, whose median counts")
    parser.add_argument("--scale", type=positive, default=1.0, help="below 1: only to see that all works")
    parser.add_argument("--minutes", type=positive, default=10.0, help="of load for the memory")
    parser.add_argument("--json", type=new_file, help="where all figures go; by default into results/")
    options = parser.parse_args()
    scale = Scale(
        transfers=options.transfers,
        rounds=options.rounds,
        factor=options.scale,
        memory_minutes=options.minutes,
    )
    started = datetime.now(UTC)
    with mannered(ServiceMissing, NotDurable, Silence, Wrong):
        facts, rows, runs = _measure(options.run, scale)
    print(f"\n{render(rows)}\n")
    path = options.json or new_file(f"{_RESULTS}/{options.run}-{started:%Y%m%d-%H%M%S}.json")
    everything = {"started": started.isoformat(), "scale": scale, "site": facts, "rows": rows, "runs": runs}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(everything)) + b"\n")
    print(f"All figures: {path}")
    missed = sum(row.is_reached is False for row in rows)
    if missed:
        print(f"Targets missed: {missed}")


def _measure(name: str, scale: Scale) -> tuple[object, list[Row], object]:
    rows: list[Row] = []
    if name == "core":
        return {}, cores(3.0), {}
    if name == "shards":
        transfers = scale.of(scale.transfers)
        rows, runs = shards.measure(transfers, scale.rounds, is_enough=scale.judge(True) is True)
        return {"cores": os.cpu_count()}, rows, runs
    with site() as place, ExitStack() as stack:
        facts = place.describe()
        lab = Lab(place, scale, stack)
        for measure in _RUNS[name]:
            print(f"{measure.__name__.replace('_', ' ')} ...", flush=True)
            rows += measure(lab)
        if name == "short":
            rows += cores(1.0)
        return facts, rows + processor_table(lab.runs), dict(lab.runs)


if __name__ == "__main__":
    main()
