"""Events for agents that no queue wants: parked until the agent is back, or discarded if it is gone.

An agent is named by the exchange and by the first three bytes of the routing key, which are the
subnet of its ids (spec: wire.md section 3.1).  Parked events are not tried again before somebody
releases them.  Rows that a process has in hand at the moment are left alone.

Only the payload says whom an event is for.  So lists and orders walk over the table in steps, for a
bounded time, and tell behind which row to go on.
"""

import re
from collections import Counter
from collections.abc import Iterator
from time import monotonic
from typing import Any, Final

import msgspec

from swpt_accounts.errors import OperatorError
from swpt_accounts.events import TO_COORDINATORS, TO_CREDITORS, TO_DEBTORS, Envelope
from swpt_accounts.moments import Moment
from swpt_accounts.outbox import unpack

from .orders import Order
from .transactions import transact

EXCHANGES: Final = (TO_CREDITORS, TO_DEBTORS, TO_COORDINATORS)
SUBNET: Final = re.compile(r"[0-9a-f]{2}(\.[0-9a-f]{2}){2}", re.ASCII)

ENOUGH_ROWS: Final = 10_000
"""An order that has found so many events looks no further."""

# How many rows are read at once, and for how long the walk goes on; an answer has to come soon.
_STEP: Final = 3_000
_LIST_SECONDS: Final = 0.5
_ORDER_SECONDS: Final = 3.0

_SUBNET_LENGTH: Final = len("00.00.00")

# Only what the broker has given back: an outage, or a refusal, is no sign that an agent is gone.
_LOOK: Final = """
SELECT outbox_id, created_at, CASE WHEN last_failure = 'returned' THEN payload END, next_attempt_at,
    publisher_key IS NOT NULL
FROM outbox WHERE outbox_id > %(after)s ORDER BY outbox_id LIMIT %(step)s
"""

_LOCK: Final = """
SELECT outbox_id FROM outbox
WHERE outbox_id = ANY(%(ids)s) AND last_failure = 'returned' AND publisher_key IS NULL
ORDER BY outbox_id FOR UPDATE SKIP LOCKED
"""

_PARK: Final = "UPDATE outbox SET next_attempt_at = NULL WHERE outbox_id = ANY(%(ids)s)"
_RELEASE: Final = "UPDATE outbox SET next_attempt_at = %(now)s WHERE outbox_id = ANY(%(ids)s)"
_DISCARD: Final = "DELETE FROM outbox WHERE outbox_id = ANY(%(ids)s)"
_STATEMENTS: Final = {"park": _PARK, "release": _RELEASE, "discard": _DISCARD}

ACTIONS: Final = tuple(_STATEMENTS)


class Agent(msgspec.Struct, frozen=True, order=True):
    """Whom events are for."""

    exchange: str
    subnet: str


class WaitingEvents(msgspec.Struct):
    """Events that no queue wanted, of one agent."""

    agent: Agent
    rows: int = 0
    parked: int = 0
    in_hand: int = 0
    oldest_created_at: Moment = 0
    types: Counter[str] = msgspec.field(default_factory=Counter)


class Handled(msgspec.Struct, frozen=True):
    """What an order has done; it goes on behind `next_after`, which is none if nothing is left."""

    rows: int
    types: dict[str, int]
    next_after: int | None

    @property
    def is_complete(self) -> bool:
        return self.next_after is None


class _Row(msgspec.Struct, frozen=True):
    outbox_id: int
    created_at: Moment
    agent: Agent
    type: str
    is_parked: bool
    is_in_hand: bool


def list_agents(connection: Any, after: int = 0) -> tuple[list[WaitingEvents], int | None]:
    """Agents whose events no queue wanted, from the rows behind `after`, and behind which row to go on.

    That is None if all rows were looked at.
    """
    found: dict[Agent, WaitingEvents] = {}
    with connection, connection.cursor() as cursor:
        walk = _Walk(cursor, after, _LIST_SECONDS)
        for rows in walk.steps():
            for row in rows:
                waiting = found.setdefault(
                    row.agent, WaitingEvents(row.agent, oldest_created_at=row.created_at)
                )
                waiting.rows += 1
                waiting.parked += row.is_parked
                waiting.in_hand += row.is_in_hand
                waiting.oldest_created_at = min(waiting.oldest_created_at, row.created_at)
                waiting.types[row.type] += 1
    return [found[agent] for agent in sorted(found)], walk.next_after


def handle_events(
    connection: Any, agent: Agent, action: str, note: str, *, order: Order, after: int = 0
) -> Handled:
    """Park, release or discard events of an agent, from the rows behind `after`, and leave one audit row.

    Raises OperatorError if there is nothing to do, or no note for what cannot be taken back.
    """
    if action == "discard" and not note.strip():
        raise OperatorError("discarded events are lost: say in a note why")

    def handle(cursor: Any) -> Handled:
        rows, next_after = _find(cursor, agent, action, after)
        if not rows:
            raise OperatorError(_why_nothing(agent, action, next_after))
        ids = [row.outbox_id for row in rows]
        cursor.execute(_STATEMENTS[action], {"ids": ids, "now": order.clock()})
        types = dict(Counter(row.type for row in rows))
        told = ", ".join(f"{number} {name}" for name, number in sorted(types.items()))
        detail = f"{told}; rows {ids[0]} to {ids[-1]}" + (f": {note}" if note else "")
        order.write_down(cursor, f"outbox {action}", f"agent {agent.subnet} at {agent.exchange}", detail)
        return Handled(len(rows), types, next_after)

    return transact(connection, handle)


def _find(cursor: Any, agent: Agent, action: str, after: int) -> tuple[list[_Row], int | None]:
    """Lock events of an agent for an order; they, and behind which row to go on."""
    found: list[_Row] = []
    walk = _Walk(cursor, after, _ORDER_SECONDS)
    for rows in walk.steps():
        found += [row for row in rows if row.agent == agent and _is_wanted(row, action)]
        if len(found) >= ENOUGH_ROWS:
            break
    cursor.execute(_LOCK, {"ids": [row.outbox_id for row in found]})
    locked = {outbox_id for (outbox_id,) in cursor.fetchall()}
    return [row for row in found if row.outbox_id in locked], walk.next_after


def _why_nothing(agent: Agent, action: str, next_after: int | None) -> str:
    nothing = f"there is nothing to {action} for {agent.subnet} at {agent.exchange}"
    if next_after is not None:
        return f"{nothing} up to row {next_after} of the outbox: go on behind it, with after={next_after}"
    return f"{nothing}, or the relay has it in hand: look again in some seconds"


def _is_wanted(row: _Row, action: str) -> bool:
    if row.is_in_hand:
        return False
    if action == "park":
        return not row.is_parked
    return row.is_parked or action == "discard"


class _Walk:
    """Goes over the outbox in steps, for a bounded time; `next_after` is where to go on, None at the end."""

    def __init__(self, cursor: Any, after: int, most_seconds: float) -> None:
        self.next_after: int | None = after
        self._cursor = cursor
        self._most_seconds = most_seconds

    def steps(self) -> Iterator[list[_Row]]:
        """Returned events of agents, some at a time; at least one step is done."""
        until = monotonic() + self._most_seconds
        while self.next_after is not None:
            self._cursor.execute(_LOOK, {"after": self.next_after, "step": _STEP})
            found = self._cursor.fetchall()
            self.next_after = found[-1][0] if len(found) == _STEP else None
            yield list(_rows(found))
            if monotonic() > until:
                return


def _rows(found: list[Any]) -> Iterator[_Row]:
    """The rows that hold a single event for an agent."""
    for outbox_id, created_at, payload, next_attempt_at, is_in_hand in found:
        event = None if payload is None else _event(bytes(payload))
        if event is not None:
            agent = Agent(event.exchange, event.routing_key[:_SUBNET_LENGTH])
            is_parked = next_attempt_at is None and not is_in_hand
            yield _Row(outbox_id, created_at, agent, event.type, is_parked, is_in_hand)


def _event(payload: bytes) -> Envelope | None:
    """The single event for an agent in a payload; None if there is none."""
    try:
        envelopes = unpack(payload)
    except Exception:
        # The relay sets such a row aside, with an alarm; it must not hide the others here.
        return None
    if len(envelopes) != 1 or envelopes[0].exchange not in EXCHANGES:
        return None
    return envelopes[0]
