"""How a worker deals with the memory of its process: it looks for cycles seldom, and gives back free room.

Python's collector looks at young objects whenever 700 more were made than dropped, which happens in about
every second batch of 500 messages, and took 6 % of Python's time in them; hardly any object is ever part of
a cycle.  And the C library keeps free room between the pieces in use, a little more every minute, until
somebody tells it to give back the pages.
"""

import ctypes
import gc
from collections.abc import Callable
from time import monotonic
from typing import Final

import dramatiq

# So many young objects are looked at together, every 20th time those that survived, and so on.
_THRESHOLDS: Final = (50_000, 20, 100)
_TRIM_SECONDS: Final = 60.0


def look_for_cycles_seldom() -> None:
    """Tell the collector of this process to take its time."""
    gc.set_threshold(*_THRESHOLDS)


class Frugality(dramatiq.Middleware):
    """Applies both to a worker."""

    def __init__(self) -> None:
        self._trim = _find_trim()
        self._trim_at = 0.0

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Settle what holds for the whole process."""
        look_for_cycles_seldom()
        self._trim_at = monotonic() + _TRIM_SECONDS

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: dramatiq.broker.MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """After a batch: give back free room once a minute, which takes less than a millisecond."""
        if monotonic() > self._trim_at:
            self._trim(0)
            self._trim_at = monotonic() + _TRIM_SECONDS


def _find_trim() -> Callable[[int], object]:
    """`malloc_trim` of the GNU C library; other libraries do without."""
    trim: Callable[[int], object] = getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: 0)
    return trim
