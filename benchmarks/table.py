"""Results as rows: a target, what was measured, and whether that reaches it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

_HEADINGS: Final = ("what", "target", "measured", "")
_VERDICTS: Final = {True: "reached", False: "MISSED", None: ""}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table."""

    what: str
    target: str
    measured: str
    is_reached: bool | None
    """None: there is no target, or this run was too small to tell."""

    details: dict[str, Any] = {}
    """All runs behind the figure."""


def render(rows: Sequence[Row]) -> str:
    """The table as text."""
    lines = [_HEADINGS, *((r.what, r.target, r.measured, _VERDICTS[r.is_reached]) for r in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    texts = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([texts[0], "-" * max(map(len, texts)), *texts[1:]])
