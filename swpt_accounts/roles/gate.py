"""Whether messages are wanted: not while the database has been away for long (rules.md#failures)."""

from collections.abc import Callable
from logging import getLogger
from threading import Lock
from time import monotonic
from typing import Final

from swpt_accounts.runtime.pauses import Pauses

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 10.0
_logger: Final = getLogger(__name__)


class Gate:
    """Open until it is shut; then `probe` is asked, with growing pauses, whether to open again.

    The consumer asks `is_open` all the time, so that no thread is needed to watch the database.
    """

    def __init__(self, probe: Callable[[], bool]) -> None:
        self._probe = probe
        self._lock = Lock()
        self._is_shut = False
        self._pauses = Pauses(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        self._probe_at = 0.0

    def shut(self, why: str) -> None:
        """Take no more messages; those that are held go back to the queue."""
        with self._lock:
            self._is_shut = True
            self._pauses.reset()
            self._probe_at = monotonic() + self._pauses.draw()
        _logger.error("Taking no more messages until the database is back: %s", why)

    def is_open(self) -> bool:
        """Whether messages are wanted now; may take the time of one probe."""
        if not self._is_shut:
            return True
        with self._lock:
            if monotonic() < self._probe_at:
                return False
            if self._probe():
                self._is_shut = False
                _logger.warning("The database is back: taking messages again.")
                return True
            self._probe_at = monotonic() + self._pauses.draw()
            return False
