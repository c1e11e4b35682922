"""What the seals of the journal cost the procedures: `python -m benchmarks.sealing`.

The procedures take turns of some hundred milliseconds: in every other one another process seals what is new,
again and again, and not every ten seconds as the chores do.  So the seals of two turns are made in one.
"""

import argparse
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Final

from swpt_accounts.runtime import clock
from tests.backstage.housekeeper import housekeeping, only_chore
from tests.services.errors import ServiceMissing

from .manners import mannered, whole
from .procedures import Outcome, Rounds, workbench
from .site import NotDurable, site

_CHORE: Final = "seal journal"
_SEAL: Final = "seal\n"


class Sealer:
    """A process that seals when it is asked to."""

    def __init__(self, postgres_url: str) -> None:
        words = [sys.executable, "-m", "benchmarks.sealing", "--serve", postgres_url]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rows = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """It seals again and again in this time."""
        stop = threading.Event()
        thread = threading.Thread(target=self._work, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()

    def _work(self, stop: threading.Event) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        while not stop.wait(0.02):
            self._process.stdin.write(_SEAL)
            self._process.stdin.flush()
            self.rows += int(self._process.stdout.readline())


def serve(postgres_url: str) -> None:
    """Seal once for each line of the standard input; answer with how many rows."""
    with housekeeping(postgres_url, chores=only_chore(_CHORE)) as keeper:
        for _ in sys.stdin:
            keeper.now = clock.utcnow()
            print(keeper.do(_CHORE), flush=True)


def measure(postgres_url: str, rounds: int, transfers: int, accounts: int) -> None:
    """Measure by turns, and print medians."""
    without: list[Outcome] = []
    beside: list[Outcome] = []
    with workbench(postgres_url) as bench:
        work = Rounds(bench, accounts, 500)
        work.warm_up()
        sealer = Sealer(postgres_url)
        try:
            for _ in range(rounds):
                without.append(work.work(transfers))
                with sealer.at_work():
                    beside.append(work.work(transfers))
        finally:
            sealer.close()
    first = median(one.rate for one in without)
    for name, outcomes in (("without", without), ("beside seals", beside)):
        rate, python_us, postgresql_us = (
            median(getattr(one, figure) for one in outcomes)
            for figure in ("rate", "python_us", "postgresql_us")
        )
        print(
            f"{name}: {rate:,.0f}/s = {rate / first:.2f}; a transfer takes {python_us:.0f} us of Python"
            f" and {postgresql_us:.0f} us of PostgreSQL"
        )
    print(f"{sealer.rows:,} entries were sealed, of {2 * rounds * transfers:,} and those before")


def main() -> None:
    """Measure, or serve as the process that seals."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sealing", description=__doc__)
    parser.add_argument("--rounds", type=whole, default=15)
    parser.add_argument("--transfers", type=whole, default=2000, help="of one turn")
    parser.add_argument("--accounts", type=whole, default=10_000)
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    with mannered(ServiceMissing, NotDurable), site() as place, place.database() as url:
        measure(url, options.rounds, options.transfers, options.accounts)


if __name__ == "__main__":
    main()
