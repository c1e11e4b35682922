"""Lists as tables for other programs: all pages one after the other, and rows as CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from swpt_accounts.wire.moments import T0, render_timestamp

from .keyset import Cut, Page

EXPORT_ITEMS: Final = 500
"""How many rows are asked for at once: each in a transaction of its own, so that nothing is held for long."""

_MOMENTS: Final = ("_at", "_ts", "_since")
# Programs for tables take a cell for a formula that begins so.
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")


def all_pages(read: Callable[[Cut, int], Page[Any]], items: int = EXPORT_ITEMS) -> Iterator[list[Any]]:
    """The items of a list, page by page, to its end; some pages may be empty."""
    cut: Cut | None = Cut()
    while cut is not None:
        page = read(cut, items)
        yield page.items
        cut = page.next


def cells(item: msgspec.Struct) -> dict[str, Any]:
    """The fields of a row and of its parts by name, with moments as messages write them; T0 is none."""
    found: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(item).items():
        found[name] = value
        if isinstance(value, msgspec.Struct):
            del found[name]
            found |= {f"{name}_{part}": text for part, text in msgspec.structs.asdict(value).items()}
        elif value is not None and (name.endswith(_MOMENTS) or name in ("at", "deadline")):
            found[name] = None if value == T0 else render_timestamp(value)
    return found


def csv_line(values: Iterable[Any]) -> str:
    r"""A line of CSV (RFC 4180), with `\r\n`; None is an empty cell.

    A text of others that a program for tables would take for a formula gets an apostrophe before it.
    """
    written = io.StringIO()
    csv.writer(written).writerow([_cell(value) for value in values])
    return written.getvalue()


def csv_lines(columns: Sequence[str], pages: Iterable[Iterable[Mapping[str, Any]]]) -> Iterator[str]:
    """A header, and the lines of each page; one text for each page."""
    yield csv_line(columns)
    for page in pages:
        yield "".join(csv_line(row[name] for name in columns) for row in page)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return "'" + value
    return value
