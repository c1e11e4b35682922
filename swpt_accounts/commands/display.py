"""What commands show: tables for people, or one JSON document for machines.

The values come from the outside world: characters that would move the cursor are spelled out.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from swpt_accounts.runtime.shown import spelled_out
from swpt_accounts.wire.moments import Moment, render_timestamp

# Whoever reads a table through a pipe rather has long lines than cut ones.
_PIPE_COLUMNS: Final = 200


def show_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Things of one kind, one a line."""
    if as_json:
        show_json(rows)
        return
    if not rows:
        click.echo("none")
        return
    _print_table(list(rows[0]), [list(row.values()) for row in rows])


def show_fields(fields: Mapping[str, Any], as_json: bool) -> None:
    """One thing, a field a line."""
    if as_json:
        show_json(fields)
        return
    _print_table(None, [[name, value] for name, value in fields.items()])


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


def _print_table(columns: list[str] | None, rows: list[list[Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_header=columns is not None, pad_edge=False)
    for column in columns or ("", ""):
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(value)) for value in row))
    Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS, highlight=False).print(table)
