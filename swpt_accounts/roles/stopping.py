"""The wish to stop a process: an event that SIGTERM and SIGINT set."""

import signal
from threading import Event
from typing import Any


def stop_on_signals() -> Event:
    """An event that is set by SIGTERM and SIGINT from now on; only the main thread may ask for it."""
    stop = Event()

    def on_signal(number: int, frame: Any) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return stop
