"""Slows down who guesses: after some failures within a minute, an address or a name has to wait."""

import hashlib
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from .problems import Problem

FAILURES_PER_MINUTE: Final = 10
_FAILURES: Final = RateLimitItemPerMinute(FAILURES_PER_MINUTE)


class Throttle:
    """Counts failures in this process; of names and addresses it keeps digests only."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, *who: str) -> None:
        """Raises Problem TOO_MANY_TRIES for an address, or a name, with too many failures."""
        if not all(self._limiter.test(_FAILURES, _digest(one)) for one in who):
            raise Problem("TOO_MANY_TRIES")

    def note(self, *who: str) -> None:
        """Count a failure."""
        for one in who:
            self._limiter.hit(_FAILURES, _digest(one))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
