"""Whom events wait for that no queue wants: they wait together, and a few of them try the way for all.

A peer whose queue is missing so costs one row for many events, and an attempt for many rows.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from swpt_accounts.broker.settlement import Reason
from swpt_accounts.events import TO_COORDINATORS, TO_CREDITORS, TO_DEBTORS, Envelope
from swpt_accounts.wire.codes import CT_AGENT, CT_DIRECT, CT_ISSUING
from swpt_accounts.wire.moments import Moment, is_astray

MOST_TOGETHER: Final = 200
"""How many events a row of waiting ones holds at most."""

EXCHANGES: Final = (TO_CREDITORS, TO_DEBTORS, TO_COORDINATORS)
"""Where events for agents go; what goes elsewhere is for a shard, or for ourselves."""

_SUBNET_LENGTH: Final = len("00.00.00")
# These go on to the exchanges of creditors and debtors, which look at the key.
_ROUTED_BY_KEY: Final = frozenset({CT_DIRECT, CT_ISSUING, CT_AGENT})
_MOST_WAYS: Final = 10_000


class Peer(NamedTuple):
    """Whom events are for, as finely as bindings can tell: an agent, and a type of coordinators or none.

    For operators that is one agent, whatever it coordinates (`operators/inspection/agents.py`).
    """

    exchange: str
    coordinator_type: str
    subnet: str

    @property
    def way(self) -> "Peer":
        """What all peers share that the broker finds by the same binding."""
        if self.exchange != TO_COORDINATORS or self.coordinator_type in _ROUTED_BY_KEY:
            return self
        return self._replace(subnet="")


class Leftover(NamedTuple):
    """Events of one row, by index, that go on together; for a peer if no queue wants them."""

    reason: Reason
    indexes: list[int]


def peer_of(envelope: Envelope) -> Peer | None:
    """Whom an event is for; None if it belongs to no agent."""
    if envelope.exchange not in EXCHANGES:
        return None
    return Peer(envelope.exchange, envelope.coordinator_type or "", envelope.routing_key[:_SUBNET_LENGTH])


def leftovers(envelopes: Sequence[Envelope], unsettled: Sequence[tuple[int, Reason]]) -> list[Leftover]:
    """What the broker did not take, in order: what is returned by peers, all else alone."""
    found: list[Leftover] = []
    together: dict[Peer, Leftover] = {}
    for index, reason in unsettled:
        peer = peer_of(envelopes[index]) if reason == "returned" else None
        group = None if peer is None else together.get(peer)
        if group is not None and len(group.indexes) < MOST_TOGETHER:
            group.indexes.append(index)
            continue
        group = Leftover(reason, [index])
        found.append(group)
        if peer is not None:
            together[peer] = group
    return found


class Silence:
    """Until when the ways of a process are not tried again, since the broker knows no queue for them."""

    def __init__(self) -> None:
        self._silent: dict[Peer, tuple[Moment, Moment]] = {}

    def until(self, way: Peer, now: Moment) -> Moment | None:
        """When this way is tried next; None if now, as after a silence that began ahead of the clock."""
        began_at, until = self._silent.get(way, (now, now))
        return until if until > now and not is_astray(began_at, until - began_at, now) else None

    def begin(self, way: Peer, now: Moment, until: Moment) -> None:
        """Somebody tries the way now, and nobody else before this moment."""
        if len(self._silent) >= _MOST_WAYS:
            self._silent.clear()
        self._silent[way] = now, until

    def end(self, way: Peer) -> None:
        """A queue is there."""
        self._silent.pop(way, None)
