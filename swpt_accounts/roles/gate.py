"""Whether messages are wanted: not while the database has been away for long (rules.md#failures)."""

from collections.abc import Callable
from logging import getLogger
from threading import Lock
from time import monotonic
from typing import Final

from swpt_accounts.runtime.pauses import Pauses
from swpt_accounts.runtime.standstill import Standstill

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 3.0
_logger: Final = getLogger(__name__)


class Gate:
    """Open until it is shut; then `probe` is asked, with growing pauses, why it may not open again.

    The probe answers with an empty text when a batch could be done, which is more than that the database
    answers.  The consumer asks `is_open` all the time, so that no thread is needed to watch the database,
    nor to notice that a batch stands still.
    """

    def __init__(self, probe: Callable[[], str], standstill: Standstill | None = None) -> None:
        self._probe = probe
        self.standstill = standstill or Standstill("batch")
        self._rehearse: Callable[[], str] | None = None
        self._lock = Lock()
        self._is_shut = False
        self._pauses = Pauses(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        self._probe_at = 0.0

    def shut(self, why: str, rehearse: Callable[[], str] | None = None) -> None:
        """Take no more messages; those that are held go back to the queue.

        `rehearse` tries what has failed, without effect, and says why it would fail again.
        """
        with self._lock:
            self._is_shut = True
            self._rehearse = rehearse
            self._pauses.reset()
            self._probe_at = monotonic() + self._pauses.draw()
        self.standstill.begin(why)
        _logger.error("Taking no more messages until the database can do its work again: %s", why)

    def is_open(self) -> bool:
        """Whether messages are wanted now; may take the time of one probe."""
        self.standstill.look()
        if not self._is_shut:
            return True
        with self._lock:
            if monotonic() < self._probe_at:
                return False
            why_not = self._probe() or (self._rehearse() if self._rehearse is not None else "")
            if not why_not:
                self._is_shut, self._rehearse = False, None
                self.standstill.end()
                _logger.warning("The database is back, and can do its work: taking messages again.")
                return True
            self.standstill.begin(why_not)
            self._probe_at = monotonic() + self._pauses.draw()
            return False
