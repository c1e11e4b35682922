"""Recipients on other shards that have just said yes: who asks for one of them again need not wait.

A yes may be used for ten seconds, counted from the question; a no is never remembered
(rules.md#reachable-recipients).
"""

from collections.abc import Iterable
from threading import Lock
from time import monotonic
from typing import Final

from swpt_accounts.rules.facts import AccountKey

LASTS_SECONDS: Final = 10.0
"""For how long a yes may be used again, at most."""


class ReachableMemory:
    """The recipients that said yes; one thread remembers, others may ask."""

    def __init__(self, lasts_seconds: float = LASTS_SECONDS) -> None:
        assert 0.0 <= lasts_seconds <= LASTS_SECONDS, "it could be closed since"
        self._lasts_seconds = lasts_seconds
        # Two generations: what is in neither, or too old in one, is forgotten without a search.
        self._young: dict[AccountKey, float] = {}
        self._old: dict[AccountKey, float] = {}
        self._turns_at = 0.0
        self._lock = Lock()

    def remember(self, keys: Iterable[AccountKey], asked_at: float, lasts_seconds: float) -> None:
        """Remember a yes to a question of `asked_at`, by the monotonic clock, as long as the shard allows."""
        until = asked_at + min(lasts_seconds, self._lasts_seconds)
        now = monotonic()
        if until <= now:
            return
        with self._lock:
            if now >= self._turns_at:
                self._young, self._old = {}, self._young
                self._turns_at = now + LASTS_SECONDS
            self._young.update(dict.fromkeys(keys, until))

    def recall(self, keys: Iterable[AccountKey]) -> set[AccountKey]:
        """Those of the recipients that have said yes a moment ago."""
        now, young, old = monotonic(), self._young, self._old
        return {key for key in keys if (young.get(key) or old.get(key) or 0.0) > now}
