"""Waiting for what happens in other processes."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str = "it", timeout: float = 90.0) -> T:
    """The first true value of the condition; fails after the timeout (seconds)."""
    deadline = monotonic() + timeout
    while not (value := condition()):
        assert monotonic() < deadline, f"{what} did not happen in {timeout:.0f} s"
        threading.Event().wait(0.01)
    return value
