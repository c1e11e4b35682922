"""Events that no queue wants, by the agents they are for."""

import re
from collections import Counter
from collections.abc import Iterator
from time import monotonic
from typing import Any, Final

import msgspec

from swpt_accounts.storage.outbox import peers
from swpt_accounts.storage.outbox.rows import first_event
from swpt_accounts.wire.moments import Moment

EXCHANGES: Final = peers.EXCHANGES
"""Behind which of them an agent is."""

SUBNET: Final = re.compile(r"[0-9a-f]{2}(\.[0-9a-f]{2}){2}", re.ASCII)

# How many rows are read at once, and for how long the walk goes on; an answer has to come soon.
_STEP: Final = 3_000
_LIST_SECONDS: Final = 0.5

# Only what the broker has given back: an outage, or a refusal, is no sign that an agent is gone.
_LOOK: Final = """
SELECT outbox_id, created_at, CASE WHEN last_failure = 'returned' THEN payload END, type_counts,
    next_attempt_at, publisher_key IS NOT NULL
FROM outbox WHERE outbox_id > %(after)s ORDER BY outbox_id LIMIT %(step)s
"""


class Agent(msgspec.Struct, frozen=True, order=True):
    """Whom events are for: the exchange, and the subnet of its ids."""

    exchange: str
    subnet: str


class WaitingEvents(msgspec.Struct):
    """Events that no queue wanted, of one agent, counted."""

    agent: Agent
    events: int = 0
    parked: int = 0
    in_hand: int = 0
    oldest_created_at: Moment = 0
    types: Counter[str] = msgspec.field(default_factory=Counter)


class WalkedRow(msgspec.Struct, frozen=True):
    """A row of events that wait for the same agent, counted by type."""

    outbox_id: int
    created_at: Moment
    agent: Agent
    types: dict[str, int]
    is_parked: bool
    is_in_hand: bool

    @property
    def events(self) -> int:
        """How many events it holds."""
        return sum(self.types.values())


def list_agents(connection: Any, after: int = 0) -> tuple[list[WaitingEvents], int | None]:
    """Agents whose events no queue wanted, from the rows behind `after`, and behind which row to go on.

    That is None if all rows were looked at.
    """
    found: dict[Agent, WaitingEvents] = {}
    with connection, connection.cursor() as cursor:
        walk = Walk(cursor, after, _LIST_SECONDS)
        for rows in walk.steps():
            for row in rows:
                waiting = found.setdefault(
                    row.agent, WaitingEvents(row.agent, oldest_created_at=row.created_at)
                )
                waiting.events += row.events
                waiting.parked += row.events * row.is_parked
                waiting.in_hand += row.events * row.is_in_hand
                waiting.oldest_created_at = min(waiting.oldest_created_at, row.created_at)
                waiting.types.update(row.types)
    return [found[agent] for agent in sorted(found)], walk.next_after


class Walk:
    """Goes over the outbox in steps, for a bounded time; `next_after` is where to go on, None at the end."""

    def __init__(self, cursor: Any, after: int, most_seconds: float) -> None:
        self.next_after: int | None = after
        self._cursor = cursor
        self._most_seconds = most_seconds

    def steps(self) -> Iterator[list[WalkedRow]]:
        """Returned events of agents, some at a time; at least one step is done."""
        until = monotonic() + self._most_seconds
        while self.next_after is not None:
            self._cursor.execute(_LOOK, {"after": self.next_after, "step": _STEP})
            found = self._cursor.fetchall()
            self.next_after = found[-1][0] if len(found) == _STEP else None
            yield list(_rows(found))
            if monotonic() > until:
                return


def _rows(found: list[Any]) -> Iterator[WalkedRow]:
    """The rows that hold events for an agent."""
    for outbox_id, created_at, payload, types, next_attempt_at, is_in_hand in found:
        peer = None if payload is None else _peer(payload)
        if peer is not None:
            agent = Agent(peer.exchange, peer.subnet)
            is_parked = next_attempt_at is None and not is_in_hand
            yield WalkedRow(outbox_id, created_at, agent, types, is_parked, is_in_hand)


def _peer(payload: bytes | memoryview) -> peers.Peer | None:
    """Whom the events of a row are for, by the first, since they wait together; None if it is no agent."""
    try:
        event = first_event(payload)
    except Exception:
        # The relay sets such a row aside, with an alarm; it must not hide the others here.
        return None
    return None if event is None else peers.peer_of(event)
