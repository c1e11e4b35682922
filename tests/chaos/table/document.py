"""The table as it stands in docs/reliability.md, between two markers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .playing import Played

BEGIN: Final = "<!-- chaos table: made by `make chaos-table` -->"
END: Final = "<!-- end of the chaos table -->"

_HEAD: Final = (
    "| Scenario | What was done, twice | Recovered after (s) | Longest pause (s)"
    " | Payments, outcomes | Books |\n"
    "|---|---|---|---|---|---|"
)


def row(one: Played) -> str:
    """A line of the table."""
    cells = [one.scenario.name, one.scenario.done]
    if one.missing:
        return _line([*cells, "", "", "", f"not played: {one.missing}"])
    named = [f"{count} {outcome or 'none'}" for outcome, count in one.outcomes.most_common()]
    return _line(
        [
            *cells,
            _seconds(one.recovered),
            _seconds(one.pauses),
            f"{one.outcomes.total()}: {', '.join(named)}",
            "right" if not one.wrong else "**wrong**: " + "; ".join(one.wrong)[:300],
        ]
    )


def table(played: Sequence[Played], minutes: float) -> str:
    """The whole, with a line below."""
    right = sum(not one.wrong and not one.missing for one in played)
    below = (
        f"{right} of {len(played)} scenarios ended with right books; all of them took {minutes:.0f} minutes."
    )
    return "\n".join([_HEAD, *map(row, played), "", below])


def write(document: Path, text: str) -> None:
    """Put the table into the document, in place of the one that is there."""
    before, rest = document.read_text().split(BEGIN)
    document.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "¦").split())


def _seconds(values: Sequence[float]) -> str:
    return ", ".join(_each(values))


def _each(values: Sequence[float]) -> Iterator[str]:
    for value in values:
        yield f"{value:.1f}"
