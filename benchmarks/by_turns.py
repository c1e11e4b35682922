"""Compares checkouts: `python -m benchmarks.by_turns ../before .` tells how fast the procedures of each are.

A machine is never as quick in one minute as in another.  So each checkout has a process and a database of
its own, all with the tables of this one, and they take turns of some hundred milliseconds.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from swpt_accounts.storage import connections
from tests.services.errors import ServiceMissing

from .manners import checkout, mannered, whole
from .site import NotDurable, site

_TURN: Final = Path(__file__).with_name("turn.py")
_FIGURES: Final = ("rate", "python_us", "postgresql_us")


class Failed(Exception):
    """A checkout can not be measured; its own words stand above."""


class Checkout:
    """A process that measures one checkout whenever it is its turn."""

    def __init__(self, folder: Path, postgres_url: str, options: argparse.Namespace) -> None:
        self.folder = folder
        self._postgres_url = postgres_url
        self.outcomes: list[dict[str, Any]] = []
        numbers = (options.accounts, options.batch, options.refused)
        words = [sys.executable, str(_TURN), postgres_url, *map(str, numbers)]
        self._process = subprocess.Popen(
            words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def await_answer(self) -> dict[str, Any]:
        """What the process says next.  Raises Failed if it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Failed(str(self.folder))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def change(self, sql: str) -> None:
        """Let the database of this checkout be another one."""
        with connections.session(self._postgres_url, "a benchmark") as connection, connection:
            connection.cursor().execute(sql)

    def take_turn(self, transfers: int) -> None:
        """Measure so many transfers."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{transfers}\n")
        self._process.stdin.flush()
        self.outcomes.append(self.await_answer())

    def median(self, figure: str) -> float:
        """The middle one of all turns."""
        return float(median(outcome[figure] for outcome in self.outcomes))

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


@contextmanager
def _opened(folder: Path, postgres_url: str, options: argparse.Namespace) -> Iterator[Checkout]:
    one = Checkout(folder, postgres_url, options)
    try:
        one.await_answer()
        yield one
    finally:
        one.close()


def main() -> None:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.by_turns", description=__doc__)
    parser.add_argument("checkouts", nargs="+", type=checkout, help="folders; the first is what counts as 1")
    parser.add_argument("--rounds", type=whole, default=15)
    parser.add_argument("--transfers", type=whole, default=2000, help="of one turn")
    parser.add_argument("--accounts", type=whole, default=10_000)
    parser.add_argument("--batch", type=whole, default=500, help="messages")
    parser.add_argument("--refused", type=int, default=0, help="of a hundred transfers, for want of money")
    parser.add_argument("--sql", default="", help="changes the database of the first checkout alone")
    options = parser.parse_args()
    with mannered(ServiceMissing, NotDurable, Failed), site() as place, ExitStack() as stack:
        checkouts = [
            stack.enter_context(_opened(folder, stack.enter_context(place.database()), options))
            for folder in options.checkouts
        ]
        if options.sql:
            checkouts[0].change(options.sql)
        for number in range(options.rounds):
            for one in checkouts if number % 2 == 0 else reversed(checkouts):
                one.take_turn(options.transfers)
    for one in checkouts:
        rate, python_us, postgresql_us = (one.median(figure) for figure in _FIGURES)
        ratio = rate / checkouts[0].median("rate")
        print(
            f"{one.folder}: {rate:,.0f}/s = {ratio:.2f}; a transfer takes {python_us:.0f} us of Python "
            f"and {postgresql_us:.0f} us of PostgreSQL"
        )


if __name__ == "__main__":
    main()
