"""Slows down who guesses: after some failures within a minute an address has to wait."""

import hashlib
from collections.abc import Callable
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from swpt_accounts.runtime import clock
from swpt_accounts.wire.moments import Moment, is_astray, seconds

FAILURES_PER_MINUTE: Final = 10
RETRY_AFTER_SECONDS: Final = 60

_FAILURES: Final = RateLimitItemPerMinute(FAILURES_PER_MINUTE)
_ONCE: Final = RateLimitItemPerMinute(1)
_WINDOW: Final = seconds(60)


class Throttle:
    """Counts failures in this process.

    The same wrong secret counts once a minute, so that a forgotten program with a revoked token
    does not lock out everybody else behind the same proxy.
    """

    def __init__(self, now: Callable[[], Moment] = clock.utcnow) -> None:
        self._now = now
        self._latest: Moment = 0
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def _current(self) -> MovingWindowRateLimiter:
        """The limiter; a new one if the clock was set back, because the old one would wait until then."""
        now = self._now()
        if is_astray(self._latest, _WINDOW, now):
            self._limiter = MovingWindowRateLimiter(MemoryStorage())
            self._latest = now
        self._latest = max(self._latest, now)
        return self._limiter

    def is_exhausted(self, who: str) -> bool:
        """Whether somebody has failed too often, and has to wait."""
        return not self._current().test(_FAILURES, who)

    def note(self, who: str, what: str) -> None:
        """Count a failure of somebody with something, of which only a digest is kept."""
        digest = hashlib.sha256(what.encode(errors="replace")).hexdigest()
        limiter = self._current()
        if limiter.hit(_ONCE, who, digest):
            limiter.hit(_FAILURES, who)
