"""What a test that takes too long says: where it stands, and where our other threads are.

The usual answer is the stacks of all threads, hundreds of lines of libraries in which nobody finds the few
that help.
"""

import faulthandler
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

_TOP: Final = Path(__file__).parents[2]
_OURS: Final = tuple(
    str(_TOP / folder)
    for folder in ("swpt_accounts", "client", "apps", "benchmarks", "simulation", "scripts", "tests")
)

# Who does not even come to say that is stuck outside of Python, and is ended with the stacks of all.
_LAST_SECONDS: Final = 30.0


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Interrupt the test when its time is over; None leaves it to the plugin."""
    if settings.method != "signal" or threading.current_thread() is not threading.main_thread():
        return None

    def on_alarm(number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        pytest.fail("\n".join([f"Timeout: it takes longer than {settings.timeout:g} s.", *other_threads()]))

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.cancel_dump_traceback_later()

    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout)
    stderr = item.config.stash.get(fault_handler_stderr_fd_key, sys.__stderr__)
    assert stderr is not None
    faulthandler.dump_traceback_later(settings.timeout + _LAST_SECONDS, file=stderr, exit=True)
    return True


def other_threads() -> list[str]:
    """A line for each other thread that is in a file of this project: the innermost place there."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = []
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident() and (place := _innermost(frame)) is not None:
            lines.append(f"  thread {names.get(ident, ident)!r} is at {place}")
    return sorted(lines)


def _innermost(frame: FrameType | None) -> str | None:
    """Where a thread is in a file of ours; None if it is in none."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_OURS):
            return f"{Path(path).relative_to(_TOP)}:{frame.f_lineno}, in {frame.f_code.co_name}"
        frame = frame.f_back
    return None
