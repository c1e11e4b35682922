"""A clock that stands still until it is moved."""

from datetime import datetime
from threading import Lock

from swpt_client.moments import DAY, Moment, to_datetime

START: Moment = 20_000 * DAY
"""Any day will do: nothing here ever meets a real server."""


class Clock:
    """Thread-safe.  Called, it gives an aware datetime, as an agent wants it; `now` is the same moment."""

    def __init__(self, now: Moment = START) -> None:
        self._now = now
        self._lock = Lock()

    @property
    def now(self) -> Moment:
        """Microseconds since 1970."""
        return self._now

    def __call__(self) -> datetime:
        """The same as an aware datetime in UTC."""
        return to_datetime(self._now)

    def advance(self, duration: int) -> Moment:
        """Let microseconds pass (negative: the clock steps back); gives the new moment."""
        with self._lock:
            self._now += duration
            return self._now

    def advance_to(self, moment: Moment) -> Moment:
        """Go to a moment, unless it is over."""
        with self._lock:
            self._now = max(self._now, moment)
            return self._now
