"""The wish to stop a process: an event that SIGTERM and SIGINT set."""

import signal
from threading import Event
from typing import Any, Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def stop_on_signals(*, twice_is_enough: bool = False) -> Event:
    """An event that is set by SIGTERM and SIGINT from now on; only the main thread may ask for it.

    With `twice_is_enough` a second signal ends the process at once, for what a person waits for.
    """
    stop = Event()

    def on_signal(number: int, frame: Any) -> None:
        stop.set()
        if twice_is_enough:
            for one in _SIGNALS:
                signal.signal(one, signal.SIG_DFL)

    for number in _SIGNALS:
        signal.signal(number, on_signal)
    return stop
