"""Since when others have had the same rows in hand: whose row stays for too long hangs."""

from collections.abc import Mapping
from time import monotonic
from typing import NamedTuple


class Held(NamedTuple):
    """What a process had in the outbox when its oldest row was seen for the first time."""

    oldest_id: int
    newest_id: int
    seen_at: float


class HeldRows:
    """Remembers the oldest row of each publisher.

    It counts by the monotonic clock of this process, so that it does not matter which moment was written
    by which clock.
    """

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}

    def note(self, rows: Mapping[int, tuple[int, int]]) -> None:
        """Note the oldest and the newest row that each publisher has now; others have none."""
        now = monotonic()
        self._held = {
            key: held
            if (held := self._held.get(key)) is not None and held.oldest_id == oldest_id
            else Held(oldest_id, newest_id, now)
            for key, (oldest_id, newest_id) in rows.items()
        }

    def hanging(self, after_seconds: float) -> dict[int, int]:
        """Publishers whose oldest row has stayed for so long, each with the newest row it had then."""
        before = monotonic() - after_seconds
        return {key: held.newest_id for key, held in self._held.items() if held.seen_at <= before}
