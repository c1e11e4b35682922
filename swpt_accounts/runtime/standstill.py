"""Work that is at hand and does not get done: an alarm when it lasts, whatever the reason is."""

from collections.abc import Callable
from logging import getLogger
from threading import Lock
from time import monotonic
from typing import Final, Literal, TypeAlias

from . import metrics

ALARM_AFTER_SECONDS: Final = 30.0

# As long as it lasts, whoever watches for alarms shall not take it for over.
_AGAIN_AFTER_SECONDS: Final = 300.0

_logger: Final = getLogger(__name__)

Work: TypeAlias = Literal["batch", "outbox", "chores", "consumer", "publisher", "waiting"]


class Standstill:
    """Whether a kind of work gets on; from any thread."""

    def __init__(self, work: Work, clock: Callable[[], float] = monotonic) -> None:
        self._work = work
        self._clock = clock
        self._lock = Lock()
        self._since: float | None = None
        self._log_at = 0.0
        self._is_logged = False
        self._why = ""

    def begin(self, why: str = "", ago_seconds: float = 0.0) -> None:
        """There is work to do, and maybe a reason why it is not done yet, after some seconds already."""
        with self._lock:
            if self._since is None:
                self._since = self._clock() - ago_seconds
                self._log_at = self._since + ALARM_AFTER_SECONDS
            self._why = why or self._why

    def end(self) -> None:
        """It is done."""
        with self._lock:
            since, is_logged = self._since, self._is_logged
            self._since, self._is_logged, self._why = None, False, ""
        if is_logged and since is not None:
            metrics.STANDSTILL.labels(self._work).set(0)
            _logger.warning("The %s goes on, after %.0f s.", self._work, self._clock() - since)

    def look(self) -> None:
        """Raise the alarm if it is time; to be called every now and then."""
        with self._lock:
            since, why = self._since, self._why
            if since is None or (now := self._clock()) < since + ALARM_AFTER_SECONDS:
                return
            is_due, self._is_logged = now >= self._log_at, True
            if is_due:
                self._log_at = now + _AGAIN_AFTER_SECONDS
        metrics.STANDSTILL.labels(self._work).set(now - since)
        if is_due:
            shown = why or "no answer"
            _logger.error("ALARM: the %s stands still for %.0f s: %s", self._work, now - since, shown)
