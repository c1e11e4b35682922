"""Shards that take turns with the machine: all but one stand still, for a moment each.

Whose turn it is has all of the machine, and so its batches are those of a machine of its own, where all
together would have a part of it each, and small batches.  Who stands still takes no message and holds no
lock that others want; questions are answered all the time, because those who answer are not stopped.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle
from threading import Event, Thread
from typing import Final

SECONDS: Final = 0.4
"""Far below every timeout, also when three others have their turns in between; many batches long."""


@contextmanager
def turns(groups: Sequence[Sequence[int]], seconds: float = SECONDS) -> Iterator[None]:
    """Let one group of processes after the other run, all others stopped; in the end all of them run."""
    is_over = Event()

    def turn() -> None:
        for group in groups:
            _tell(group, signal.SIGSTOP)
        for group in cycle(groups):
            _tell(group, signal.SIGCONT)
            is_over.wait(seconds)
            if is_over.is_set():
                return
            _tell(group, signal.SIGSTOP)

    thread = Thread(target=turn, name="slices")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        for group in groups:
            _tell(group, signal.SIGCONT)


def _tell(group: Sequence[int], number: signal.Signals) -> None:
    for pid in group:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
