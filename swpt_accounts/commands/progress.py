"""A bar that tells a person how far a long command is; nobody else gets to see it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_ESTIMATE: Final = """
SELECT sum(greatest(reltuples, 0))::int8 FROM pg_class WHERE oid = ANY (CAST(%s AS regclass[]))
"""


@contextmanager
def progress(connection: Any, doing: str, *tables: str) -> Iterator[Callable[[int], None]]:
    """Show how many rows of the tables are done, as the given function is told.

    How many there are is what the last ANALYZE has estimated.  Without a terminal at standard error there
    is no bar, and the database is not asked.
    """
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with shown:
        task = shown.add_task(doing, total=_estimated(connection, tables))

        def reach(done: int) -> None:
            total = shown.tasks[0].total
            # More than was estimated: nobody knows how many.
            shown.update(task, completed=done, total=None if total is None or done > total else total)

        yield reach


def _estimated(connection: Any, tables: tuple[str, ...]) -> int | None:
    if not tables:
        return None
    with connection, connection.cursor() as cursor:
        cursor.execute(_ESTIMATE, [list(tables)])
        return int(cursor.fetchone()[0] or 0) or None
