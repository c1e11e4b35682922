"""Takes messages from the outbox to the transport, and learns what has become of them.

Memory is bounded: only so many messages are in flight.  While they are, their rows are claimed,
so that a second process does not send them as well (which would do no harm).
"""

import secrets
from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Final

import msgspec

from swpt_client.metrics import Metrics
from swpt_client.moments import SECOND, Moment
from swpt_client.store.base import Claim, OutboxRow, Store
from swpt_client.transport.base import UNANSWERED, Publication, Transport

from .landings import Landing, Landings

_logger = getLogger(__name__)
_MOST_IN_FLIGHT: Final = 2000
_REFUSED_PAUSE: Final = 10 * SECOND


class Flight(msgspec.Struct):
    """The messages of one row that are under way."""

    row: OutboxRow
    is_confirmed: list[bool]
    unsettled: int
    reasons: set[str] = msgspec.field(default_factory=set)


class Pump:
    """Belongs to the worker's thread."""

    def __init__(
        self,
        store: Store,
        transport: Transport,
        clock: Callable[[], Moment],
        metrics: Metrics,
        *,
        claim_seconds: float,
        hold_seconds: float,
        crash_at: Callable[[str], None],
    ) -> None:
        self._crash_at = crash_at
        self._store = store
        self._transport = transport
        self._clock = clock
        self._metrics = metrics
        self._claim = round(claim_seconds * SECOND)
        self._owner = secrets.token_hex(8)
        self._is_full = False
        self.landings = Landings(hold_seconds)
        self._flights: dict[int, Flight] = {}
        self._places: dict[int, tuple[int, int]] = {}
        """Of publications in flight: row, and place in it."""
        self._number = 0
        self._renew_at: Moment = 0
        self._told: set[str] = set()

    @property
    def in_flight(self) -> int:
        """How many messages are not settled."""
        return len(self._places)

    @property
    def has_room_again(self) -> bool:
        """Whether something was left because too much was in flight, and now less is."""
        return self._is_full and self.in_flight < _MOST_IN_FLIGHT

    @property
    def is_crowded(self) -> bool:
        """Whether so much is in flight that its end should not be waited for."""
        return self.in_flight >= _MOST_IN_FLIGHT // 2

    def launch(self) -> bool:
        """Send what waits, as far as there is room; says whether there may be more."""
        room = _MOST_IN_FLIGHT - self.in_flight
        self._is_full = room <= 0
        if room <= 0 or not self._transport.is_connected:
            return False
        now = self._clock()
        rows = self._store.claim(self._owner, now, now + self._claim, room)
        if not rows:
            return False
        self._crash_at("claimed")
        self._publish(rows, now)
        return True

    def claim(self) -> Claim | None:
        """For what is about to be written, if it could leave at once; else it waits in the outbox."""
        if self._is_full or self.is_crowded or not self._transport.is_connected:
            return None
        return Claim(self._owner, self._clock() + self._claim)

    def launch_claimed(self, row: OutboxRow) -> None:
        """Send what was claimed as it was written, and is committed."""
        self._publish([row], self._clock())

    def _publish(self, rows: Sequence[OutboxRow], now: Moment) -> None:
        self._renew_at = now + self._claim // 3
        publications = []
        for row in rows:
            if row.id in self._flights or row.id in self.landings:
                continue
            self.landings.begin(row.parcels)
            self._flights[row.id] = Flight(row, [False] * len(row.parcels), len(row.parcels))
            for place, parcel in enumerate(row.parcels):
                self._number += 1
                self._places[self._number] = row.id, place
                publications.append(Publication(self._number, parcel.envelope))
                self._metrics.count("messages_sent_total", type=parcel.envelope.type)
        self._transport.publish(publications)
        self._crash_at("published")
        self._metrics.set("in_flight_messages", self.in_flight)

    def land(self, settled: Sequence[tuple[int, str | None]]) -> None:
        """Publications are settled: `landings` gets the rows of which all are."""
        for number, reason in settled:
            row_id, place = self._places.pop(number)
            flight = self._flights[row_id]
            flight.unsettled -= 1
            if reason is None:
                flight.is_confirmed[place] = True
            else:
                flight.reasons.add(reason)
                self._metrics.count("messages_unsent_total", reason=reason)
            if flight.unsettled == 0:
                del self._flights[row_id]
                self._tell(flight.reasons)
                self.landings.add(_landing_of(flight))
        if settled:
            self._metrics.set("in_flight_messages", self.in_flight)

    def _tell(self, reasons: set[str]) -> None:
        """Say once that the broker does not take what we send."""
        for reason in reasons - {UNANSWERED} - self._told:
            _logger.warning("The broker does not take messages to the server (%s); they wait", reason)
        self._told = reasons - {UNANSWERED}

    def keep(self) -> None:
        """Claim for longer what is under way; give up the claims if nothing is."""
        now = self._clock()
        # A clock that steps back must not stop it.
        if self._flights and not 0 <= self._renew_at - now <= self._claim:
            self._store.renew(self._owner, now + self._claim)
            self._renew_at = now + self._claim // 3

    def release(self) -> None:
        """Claim nothing any more."""
        self._store.release(self._owner)


def _landing_of(flight: Flight) -> Landing:
    parcels = list(zip(flight.row.parcels, flight.is_confirmed, strict=True))
    return Landing(
        flight.row.id,
        [parcel for parcel, is_confirmed in parcels if is_confirmed],
        [parcel for parcel, is_confirmed in parcels if not is_confirmed],
        # What a broker does not take is not offered to it all the time; one that was away gets it at once.
        0 if flight.reasons <= {UNANSWERED} else _REFUSED_PAUSE,
    )
