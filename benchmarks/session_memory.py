"""How much memory of its own a session of PostgreSQL takes, looked at ten times a second."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PAUSE_SECONDS: Final = 0.1


class SessionMemory:
    """The most that was seen so far; what it shares with others is not counted."""

    def __init__(self) -> None:
        self.peak_megabytes = 0.0

    def look(self, pid: int) -> None:
        """See how much it is now."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
        self.peak_megabytes = max(self.peak_megabytes, kilobytes / 1024)


@contextmanager
def watched_memory(pid: int) -> Iterator[SessionMemory]:
    """Look at the process of a session on this machine while the body runs."""
    memory, is_over = SessionMemory(), threading.Event()

    def watch() -> None:
        while not is_over.wait(_PAUSE_SECONDS):
            memory.look(pid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield memory
    finally:
        is_over.set()
        watcher.join()
