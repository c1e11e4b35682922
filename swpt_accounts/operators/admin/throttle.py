"""Slows down who guesses: after some failures within a minute an address has to wait."""

import hashlib
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

FAILURES_PER_MINUTE: Final = 10
RETRY_AFTER_SECONDS: Final = 60

_FAILURES: Final = RateLimitItemPerMinute(FAILURES_PER_MINUTE)
_ONCE: Final = RateLimitItemPerMinute(1)


class Throttle:
    """Counts failures in this process.

    The same wrong secret counts once a minute, so that a forgotten program with a revoked token
    does not lock out everybody else behind the same proxy.
    """

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def is_exhausted(self, who: str) -> bool:
        """Whether somebody has failed too often, and has to wait."""
        return not self._limiter.test(_FAILURES, who)

    def note(self, who: str, what: str) -> None:
        """Count a failure of somebody with something, of which only a digest is kept."""
        digest = hashlib.sha256(what.encode(errors="replace")).hexdigest()
        if self._limiter.hit(_ONCE, who, digest):
            self._limiter.hit(_FAILURES, who)
