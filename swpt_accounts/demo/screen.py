"""What the demonstration shows: lines, a progress bar where there is a terminal, and tables."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging import WARNING, getLogger
from typing import TypeAlias

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from swpt_accounts.runtime.shown import spelled_out, spelled_out_lines

from .proof import Finding

Show: TypeAlias = Callable[[int], None]


class Screen:
    """Standard output: without any control codes if it is not a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def say(self, text: str) -> None:
        """A line of text, as it is."""
        self._console.print(Text(spelled_out_lines(text)), soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Show]:
        """A bar that is moved by calls with the number done; elsewhere a line for each quarter."""
        console = self._console
        # Log lines would go through the bar.
        is_quiet = not getLogger().isEnabledFor(WARNING - 1)
        if not console.is_terminal or console.is_dumb_terminal or not is_quiet:
            yield self._quarters(what, total)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(what, total=total)
            yield lambda done: progress.update(task, completed=done)

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, text_columns: int = 1
    ) -> None:
        """A table; all columns but the first ones are numbers."""
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number < text_columns else "right")
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else Text(spelled_out(str(cell))) for cell in row))
        self._console.print(table)

    def findings(self, findings: Sequence[Finding]) -> None:
        """The proof, claim by claim, with what speaks against it."""
        self.say("The proof, from the messages that the client has seen:")
        for finding in findings:
            mark = Text("  ok      ", "green") if finding.is_proved else Text("  FAILED  ", "bold red")
            self._console.print(Text.assemble(mark, finding.claim), soft_wrap=True)
            for fault in finding.faults[:5]:
                self.say(f"          {fault}")
            if len(finding.faults) > 5:
                self.say(f"          and {len(finding.faults) - 5} more")

    def _quarters(self, what: str, total: int) -> Show:
        shown = 0

        def show(done: int) -> None:
            nonlocal shown
            quarter = 4 * done // total
            if quarter > shown:
                shown = quarter
                self.say(f"{what}: {done} of {total}")

        return show
