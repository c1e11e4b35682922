"""Rows of the outbox whose messages are all settled, until that is stored."""

from collections import deque
from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Final

import msgspec
from msgspec.structs import replace

from swpt_client import pace
from swpt_client.inputs import Sent
from swpt_client.moments import Moment
from swpt_client.records import Transfer
from swpt_client.store.packing import Parcel, is_of_transfer

_MOST_HELD: Final = 10_000
"""So many messages that have arrived are kept in memory at most."""


class Landing(msgspec.Struct, frozen=True):
    """All messages of a row are settled: what is confirmed, and what is left for another try."""

    row_id: int
    confirmed: list[Parcel]
    left: list[Parcel]
    pause: int
    """Microseconds until what is left is tried again."""

    def reports(self, at: Moment) -> list[Sent]:
        """What the core wants to know."""
        return [Sent(ref=one.ref, at=at) for one in self.confirmed if one.ref is not None]


class Landings:
    """Holds them back for a while, as a rule until the server has answered.

    That a question has arrived is no news any more when its answer is stored, so the record need not be
    written for it, nor read.  Meanwhile the row stays in the outbox, claimed: who is killed sends it once
    more.
    """

    def __init__(self, hold_seconds: float) -> None:
        self._hold_seconds = hold_seconds
        self._held: deque[tuple[float, Landing]] = deque()
        """Each with the moment from which on it is held no longer, by `monotonic`, in that order."""
        self._rows: set[int] = set()
        self._count = 0
        self._awaited: dict[str, int] = {}
        """Of transfers: the copy of which it matters that it has arrived."""

    def begin(self, parcels: Iterable[Parcel]) -> None:
        """They are on their way.  A former copy that leaves once more, after its answer, changes nothing."""
        for key, copy in _copies(parcels):
            self._awaited[key] = max(copy, self._awaited.get(key, copy))

    def hear(self, transfers: Mapping[str, Transfer]) -> None:
        """So they are stored now."""
        for key in transfers.keys() & self._awaited.keys():
            if not pace.is_awaited(transfers[key].pace, self._awaited[key]):
                del self._awaited[key]

    def __contains__(self, row_id: int) -> bool:
        """Whether a row is held: it has left, whatever its claim says."""
        return row_id in self._rows

    def __len__(self) -> int:
        """How many rows."""
        return len(self._held)

    @property
    def ripe_at(self) -> float | None:
        """When the first one wants to be stored, by `monotonic`."""
        return self._held[0][0] if self._held else None

    def add(self, landing: Landing) -> None:
        """Who has something that is left for another try does not wait."""
        now = monotonic()
        if landing.left:
            self._held.appendleft((now, landing))
            # Another process may send it.
            self._forget(landing.left)
        else:
            self._held.append((now + self._hold_seconds, landing))
        self._rows.add(landing.row_id)
        self._count += len(landing.confirmed)

    def take(self, *, is_hurried: bool = False) -> list[Landing]:
        """What is to be stored now; all of it, if somebody is in a hurry."""
        now = monotonic()
        found = []
        while self._held and (is_hurried or self._held[0][0] <= now or self._count > _MOST_HELD):
            landing = self._held.popleft()[1]
            self._rows.remove(landing.row_id)
            self._count -= len(landing.confirmed)
            found.append(replace(landing, confirmed=[one for one in landing.confirmed if self._is_news(one)]))
        return found

    def _forget(self, parcels: Iterable[Parcel]) -> None:
        for key, copy in _copies(parcels):
            if self._awaited.get(key) == copy:
                del self._awaited[key]

    def _is_news(self, parcel: Parcel) -> bool:
        for key, copy in _copies([parcel]):
            if self._awaited.get(key) != copy:
                return False
            del self._awaited[key]
        return True


def _copies(parcels: Iterable[Parcel]) -> list[tuple[str, int]]:
    """Of transfers: their keys, with the numbers of the copies."""
    refs = (one.ref for one in parcels if one.ref is not None)
    return [(ref.key, ref.copy) for ref in refs if isinstance(ref.key, str) and is_of_transfer(ref)]
