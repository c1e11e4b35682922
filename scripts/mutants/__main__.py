"""`make mutants` and `make mutants-gate`: run mutmut, show scores, tell of those that live unexplained."""

import os
import subprocess
import sys

import click

from . import explained, tables
from .changed import changed_files
from .parts import PARTS, TOP, Part
from .results import Change, change_of, mutants_of


@click.group()
def main() -> None:
    """Small faults, planted into the pure rooms; the tests must notice each of them."""


@main.command()
@click.option("--part", "name", type=click.Choice(list(PARTS)), required=True)
@click.option("--room", default="", help="One of the rooms, such as rules/transfers; all without it.")
def score(name: str, room: str) -> None:
    """Try all mutants of a part that were not tried yet, or those of a room, and show the scores."""
    part = PARTS[name]
    _run(part, [f"{part.package}.{room.replace('/', '.')}*"] if room else [])
    click.echo("\n".join(tables.scores(part, mutants_of(part))))
    if part.is_explained_by_lines:
        _tell(_unexplained(part, None))


@main.command()
@click.option("--since", default="main", show_default=True, help="The revision that the change begins from.")
def change(since: str) -> None:
    """Try the mutants of the server's files that differ from a revision; fails if one lives unexplained."""
    part = PARTS["server"]
    paths = changed_files(part, since)
    if not paths:
        click.echo(f"No file with pure rules differs from {since}.")
        return
    click.echo(f"Mutants of {', '.join(paths)}")
    # Which test touches which function may have changed as well.
    (part.results / "mutmut-stats.json").unlink(missing_ok=True)
    _run(part, [path.removesuffix(".py").replace("/", ".") + ".x*" for path in paths])
    click.echo("\n".join(tables.scores(part, (one for one in mutants_of(part) if one.path in paths))))
    living = _unexplained(part, paths)
    _tell(living)
    sys.exit(bool(living))


def _run(part: Part, patterns: list[str]) -> None:
    """Let mutmut try mutants; those with certain names also if it has tried them before."""
    command = [sys.executable, "-m", "scripts.mutants.nearest", "run", *patterns]
    subprocess.run(command, cwd=part.folder, env=os.environ | {"PYTHONPATH": str(TOP)}, check=True)


def _unexplained(part: Part, paths: list[str] | None) -> list[Change]:
    """Mutants of some files, or of all, that live and are not in the document of the part."""
    living = (
        change_of(part, mutant)
        for mutant in mutants_of(part)
        if mutant.was_tried and not mutant.is_killed and (paths is None or mutant.path in paths)
    )
    return explained.unexplained(living, explained.read(part.explained.read_text()))


def _tell(living: list[Change]) -> None:
    if living:
        click.echo("\nLive, and nobody has said why (CONTRIBUTING.md#mutants):\n")
        click.echo("\n\n".join(map(str, living)))


if __name__ == "__main__":
    main()
