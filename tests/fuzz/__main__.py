"""`make fuzz`: go on from a seed for some minutes, say what was tried, and keep what was found."""

import os
import sys
import time
from contextlib import ExitStack
from functools import partial

import click

from tests.backstage.busy_desk import busy_desk
from tests.services.postgres import postgres

from .case import keep
from .doors.amqp import Amqp
from .doors.decoder import Decoder
from .doors.door import Door
from .doors.forms import Forms
from .doors.http import Http
from .search import Search

NAMES = ("decoder", "amqp", "http", "forms")
# So often goes the turn around.
_TURN_SECONDS = 20.0


@click.command()
@click.option("--minutes", type=float, default=5.0, show_default=True, help="For all doors together.")
@click.option("--seed", type=int, default=None, help="From which all inputs follow; another one each time.")
@click.option("--door", "names", type=click.Choice(NAMES), multiple=True, help="Only this one.")
def main(minutes: float, seed: int | None, names: tuple[str, ...]) -> None:
    """Search for inputs that break a promise of a door, and keep them in tests/fuzz/corpus."""
    seed = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    click.echo(f"seed {seed}")
    with ExitStack() as stack:
        searches = [Search(door, seed) for door in _doors(names or NAMES, stack)]
        over = time.monotonic() + 60 * minutes
        while time.monotonic() < over:
            for search in searches:
                search.go_on(partial(_is_past, min(time.monotonic() + _TURN_SECONDS, over)))
        failures = sum(map(_report, searches))
    sys.exit(failures > 0)


def _is_past(moment: float) -> bool:
    return time.monotonic() >= moment


def _doors(names: tuple[str, ...], stack: ExitStack) -> list[Door]:
    doors: list[Door] = [Decoder(), Amqp()]
    if {"http", "forms"} & set(names):
        desk = stack.enter_context(busy_desk(stack.enter_context(postgres())))
        doors += [Http(desk), Forms(desk)]
    return [door for door in doors if door.name in names]


def _report(search: Search) -> int:
    """Say what a search has done, and keep what it has found; how much that is."""
    covered, lines = search.tracer.covered_lines, search.tracer.all_lines
    click.echo(
        f"{search.door.name:8} {search.inputs:9,} inputs, {search.kept:4,} led somewhere new;"
        f" {covered} of {lines} lines ({100 * covered / lines:.1f} %); {len(search.failures)} broke a promise"
    )
    for failure in search.failures.values():
        keep(search.door.name, failure.case)
        click.echo(f"\n{failure.case}\n\n{failure.trace}")
    return len(search.failures)


if __name__ == "__main__":
    main()
