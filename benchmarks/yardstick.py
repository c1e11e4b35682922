"""A yardstick: what a transfer takes that the server's rules decide, on this machine, in this minute.

One machine is five times as quick as another, and half as quick as itself when others work on it.  What
takes time of a processor is therefore compared in yardsticks.
"""

from typing import Final

from . import core

TARGET_RATE: Final = 89_000
"""So many transfers a second were decided on the host that the targets of the client come from."""


def measure(seconds: float = 0.3) -> float:
    """Microseconds of the processor."""
    return 1e6 / core.transfers_decided(seconds)


def of_target(us: float) -> float:
    """Yardsticks that a time was on the host of the targets."""
    return us * TARGET_RATE / 1e6
