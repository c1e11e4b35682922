"""What commands show: tables for people, CSV for other programs, or one JSON document.

The values come from the outside world: characters that would move the cursor are spelled out.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import click

from swpt_accounts.runtime.shown import spelled_out
from swpt_accounts.wire.moments import Moment, render_timestamp

TABLE: Final = "table"
JSON: Final = "json"
CSV: Final = "csv"

_GAP: Final = 2
# Numbers are never folded: the name and the longest of them fit into every terminal.
_LEAST_WIDTH: Final = 40


def show_list(columns: Sequence[str], pages: Iterable[Sequence[Mapping[str, Any]]], form: str) -> int:
    """A list that comes in pages, of which CSV and JSON hold one at a time; returns how many there were."""
    count = 0

    def counted() -> Iterator[Sequence[Mapping[str, Any]]]:
        nonlocal count
        for page in pages:
            count += len(page)
            yield page

    if form == CSV:
        from swpt_accounts.operators.inspection.tabular import csv_lines

        for lines in csv_lines(columns, counted()):
            click.echo(lines.replace("\r\n", "\n"), nl=False)
    elif form == JSON:
        before = "["
        for row in chain.from_iterable(counted()):
            click.echo(before + json.dumps(row, separators=(",", ":")), nl=False)
            before = ","
        click.echo("[]" if before == "[" else "]")
    else:
        show_rows(list(chain.from_iterable(counted())), as_json=False)
    return count


def show_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Things of one kind, one a line."""
    if as_json:
        show_json(rows)
        return
    if not rows:
        click.echo("none")
        return
    click.echo(table_of(rows, width=terminal_width()), nl=False)


def show_fields(fields: Mapping[str, Any], as_json: bool) -> None:
    """One thing, a field a line."""
    if as_json:
        show_json(fields)
        return
    click.echo(record_of(fields, width=terminal_width()), nl=False)


def show_json(value: Any) -> None:
    """A document on one line, in ASCII."""
    click.echo(json.dumps(value, separators=(",", ":")))


def moment(value: Moment | None) -> str | None:
    """A moment as it is shown."""
    return None if value is None else render_timestamp(value)


def plain(value: Any) -> str:
    """A value on one line, without characters that a terminal could obey."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return spelled_out(text)


def terminal_width() -> int | None:
    """How many columns a person sees; none in a pipe, where a row is a line, however long."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table_of(rows: Sequence[Mapping[str, Any]], width: int | None) -> str:
    """A table with a line for each row; where that is too wide, a block of lines for each row."""
    cells = [list(map(plain, row.values())) for row in rows]
    titles = [name.replace("_", " ") for name in rows[0]]
    widths = [max(map(_columns, column)) for column in zip(titles, *cells, strict=True)]
    if width is not None and sum(widths) + _GAP * (len(widths) - 1) > width:
        return "\n".join(record_of(row, width) for row in rows)
    lines = [titles, ["-" * size for size in widths], *cells]
    return "".join(
        (" " * _GAP).join(_padded(*cell) for cell in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def record_of(fields: Mapping[str, Any], width: int | None) -> str:
    """A field a line; a text that is too long goes on below its beginning."""
    names = {name: name.replace("_", " ") for name in fields}
    indent = max(map(len, names.values()), default=0) + _GAP
    room = None if width is None else max(width, _LEAST_WIDTH) - indent
    lines = []
    for name, value in fields.items():
        parts = _folded(plain(value), room)
        lines.append((names[name].ljust(indent) + parts[0]).rstrip())
        lines += [" " * indent + part for part in parts[1:]]
    return "".join(line + "\n" for line in lines)


def _folded(text: str, room: int | None) -> list[str]:
    if room is None:
        return [text]
    from rich.console import Console
    from rich.text import Text

    console = Console(width=room, highlight=False)
    return [line.plain.rstrip() for line in Text(text).wrap(console, room, overflow="fold")] or [""]


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _columns(text))
