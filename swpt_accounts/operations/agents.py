"""Events for agents that no queue wants: parked until the agent is back, or discarded if it is gone.

An agent is named by the exchange and by the first three bytes of the routing key, which are the
subnet of its ids (spec: wire.md section 3.1).  Parked events are not tried again before somebody
releases them.  Rows that a process has in hand at the moment are left alone.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from swpt_accounts.errors import OperatorError
from swpt_accounts.events import TO_COORDINATORS, TO_CREDITORS, TO_DEBTORS
from swpt_accounts.moments import Moment
from swpt_accounts.outbox import unpack

from .orders import Order
from .transactions import transact

EXCHANGES: Final = (TO_CREDITORS, TO_DEBTORS, TO_COORDINATORS)
SUBNET: Final = re.compile(r"[0-9a-f]{2}(\.[0-9a-f]{2}){2}", re.ASCII)

MOST_ROWS: Final = 10_000
"""How many rows one order looks at."""

MOST_LISTED: Final = 3_000
"""How many rows the list looks at, which has to be quick."""

_SUBNET_LENGTH: Final = len("00.00.00")

# Only what the broker has given back: an outage, or a refusal, is no sign that an agent is gone.
_FIND: Final = f"""
SELECT outbox_id, created_at, payload, next_attempt_at, publisher_key IS NOT NULL
FROM outbox WHERE last_failure = 'returned' AND outbox_id > %(after)s
ORDER BY outbox_id LIMIT {MOST_LISTED}
"""  # noqa: S608 - constants only

_LOCK: Final = f"""
SELECT outbox_id, created_at, payload, next_attempt_at, false
FROM outbox WHERE last_failure = 'returned' AND publisher_key IS NULL AND outbox_id > %(after)s
ORDER BY outbox_id LIMIT {MOST_ROWS} FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - constants only

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
    """What an order has done; `is_complete` is False if there may be more rows than one order looks at."""

    rows: int
    types: dict[str, int]
    is_complete: bool


class _Row(msgspec.Struct, frozen=True):
    outbox_id: int
    created_at: Moment
    agent: Agent
    type: str
    is_parked: bool
    is_in_hand: bool


def list_agents(connection: Any) -> tuple[list[WaitingEvents], bool]:
    """Agents whose events no queue wanted, and whether all rows were looked at."""
    found: dict[Agent, WaitingEvents] = {}
    with connection, connection.cursor() as cursor:
        cursor.execute(_FIND, {"after": 0})
        for row in _rows(cursor):
            waiting = found.setdefault(row.agent, WaitingEvents(row.agent, oldest_created_at=row.created_at))
            waiting.rows += 1
            waiting.parked += row.is_parked
            waiting.in_hand += row.is_in_hand
            waiting.oldest_created_at = min(waiting.oldest_created_at, row.created_at)
            waiting.types[row.type] += 1
        is_complete = cursor.rowcount < MOST_LISTED
    return [found[agent] for agent in sorted(found)], is_complete


def handle_events(connection: Any, agent: Agent, action: str, note: str, *, order: Order) -> Handled:
    """Park, release or discard the events of an agent, and leave one audit row.

    Raises OperatorError if there is nothing to do, or no note for what cannot be taken back.
    """
    if action == "discard" and not note.strip():
        raise OperatorError("discarded events are lost: say in a note why")

    def handle(cursor: Any) -> Handled:
        cursor.execute(_LOCK, {"after": 0})
        is_complete = cursor.rowcount < MOST_ROWS
        rows = [row for row in _rows(cursor) if row.agent == agent and _is_wanted(row, action)]
        if not rows:
            raise OperatorError(
                f"there is nothing to {action} for {agent.subnet} at {agent.exchange}, or the relay has it in"
                " hand: look again in some seconds"
            )
        ids = [row.outbox_id for row in rows]
        cursor.execute(_STATEMENTS[action], {"ids": ids, "now": order.clock()})
        types = dict(Counter(row.type for row in rows))
        told = ", ".join(f"{number} {name}" for name, number in sorted(types.items()))
        detail = f"{told}; rows {ids[0]} to {ids[-1]}" + (f": {note}" if note else "")
        order.write_down(cursor, f"outbox {action}", f"agent {agent.subnet} at {agent.exchange}", detail)
        return Handled(len(rows), types, is_complete)

    return transact(connection, handle)


def _is_wanted(row: _Row, action: str) -> bool:
    if action == "park":
        return not row.is_parked
    return row.is_parked or action == "discard"


def _rows(cursor: Any) -> Iterator[_Row]:
    """The rows of the cursor that hold a single event for an agent."""
    for outbox_id, created_at, payload, next_attempt_at, is_in_hand in cursor:
        envelopes = unpack(bytes(payload))
        if len(envelopes) != 1 or envelopes[0].exchange not in EXCHANGES:
            continue
        [envelope] = envelopes
        agent = Agent(envelope.exchange, envelope.routing_key[:_SUBNET_LENGTH])
        is_parked = next_attempt_at is None and not is_in_hand
        yield _Row(outbox_id, created_at, agent, envelope.type, is_parked, is_in_hand)
