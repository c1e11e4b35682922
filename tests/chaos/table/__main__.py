"""Plays the scenarios on servers of its own, and writes the table: `python -m tests.chaos.table`.

Exit code 1: something was wrong after one of them.  2: a server is missing.
"""

import argparse
import logging
import signal
import sys
from pathlib import Path
from time import monotonic

from tests.services.errors import ServiceMissing
from tests.services.leftovers import folder_of_this_run

from . import document
from .playing import Played, play
from .scenarios import SCENARIOS, named
from .site import whole_site


def main() -> int:
    """Play, say how each has ended, and write the document if all were played."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.table", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="WORD", help="only scenarios with this word in their names"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into a document")
    options = parser.parse_args()
    chosen = named(options.names)
    # The customers say each time that somebody is away; what is wrong is told by the table.
    logging.disable(logging.CRITICAL)
    begun_at = monotonic()
    played: list[Played] = []
    with folder_of_this_run(), whole_site() as site:
        for scenario in chosen:
            played.append(play(site, scenario))
            print(document.row(played[-1]), flush=True)
    text = document.table(played, (monotonic() - begun_at) / 60)
    print(text.splitlines()[-1])
    if options.write is not None and len(chosen) == len(SCENARIOS):
        document.write(options.write, text)
    return int(any(one.wrong for one in played))


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT):  # also in the background, where the second is ignored
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main())
    except ServiceMissing as error:
        print(error, file=sys.stderr)
        sys.exit(2)
