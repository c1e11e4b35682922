"""Events for agents that no queue wants: parked until the agent is back, or discarded if it is gone.

An agent is named by the exchange and by the first three bytes of the routing key, which are the
subnet of its ids (rules.md#keys).  Parked events are not tried again before somebody
releases them.  Rows that a process has in hand at the moment are left alone.

Only the payload says whom an event is for.  So lists and orders walk over the table in steps, for a
bounded time, and say behind which row to go on.
"""

from collections import Counter
from typing import Any, Final

import msgspec

from swpt_accounts.operators.inspection.agents import Agent, Walk, WalkedRow
from swpt_accounts.runtime.errors import OperatorError

from .conflicts import transact
from .orders import Order
from .outbox_rows import act_on_rows, check_note, detail_of, lock_rows

ENOUGH_EVENTS: Final = 10_000
"""An order that has found so many events looks no further."""

_ORDER_SECONDS: Final = 3.0


class Handled(msgspec.Struct, frozen=True):
    """What an order has done; it goes on behind `next_after`, which is none if nothing is left."""

    events: int
    types: dict[str, int]
    next_after: int | None

    @property
    def is_complete(self) -> bool:
        return self.next_after is None


def handle_events(
    connection: Any, agent: Agent, action: str, note: str, *, order: Order, after: int = 0
) -> Handled:
    """Park, release or discard events of an agent, from the rows behind `after`, and leave one audit row.

    Nothing else ever gives up an event (rule O7).

    Raises OperatorError if there is nothing to do, or no note for what cannot be taken back.
    """
    check_note(action, note)

    def handle(cursor: Any) -> Handled:
        rows, next_after = _find(cursor, agent, action, after)
        if not rows:
            raise OperatorError(_why_nothing(agent, action, next_after))
        ids = [row.outbox_id for row in rows]
        act_on_rows(cursor, ids, action, order.clock())
        types: Counter[str] = Counter()
        for row in rows:
            types.update(row.types)
        detail = detail_of(types, f"; rows {ids[0]} to {ids[-1]}", note)
        order.write_down(cursor, f"outbox {action}", f"agent {agent.subnet} at {agent.exchange}", detail)
        return Handled(types.total(), dict(types), next_after)

    return transact(connection, handle)


def _find(cursor: Any, agent: Agent, action: str, after: int) -> tuple[list[WalkedRow], int | None]:
    """Lock events of an agent for an order; they, and behind which row to go on."""
    found: list[WalkedRow] = []
    walk = Walk(cursor, after, _ORDER_SECONDS)
    for rows in walk.steps():
        found += [row for row in rows if row.agent == agent and _is_wanted(row, action)]
        if sum(row.events for row in found) >= ENOUGH_EVENTS:
            break
    ids = [row.outbox_id for row in found]
    locked = {outbox_id for outbox_id, _, _ in lock_rows(cursor, ids, "returned", skip_locked=True)}
    return [row for row in found if row.outbox_id in locked], walk.next_after


def _why_nothing(agent: Agent, action: str, next_after: int | None) -> str:
    nothing = f"there is nothing to {action} for {agent.subnet} at {agent.exchange}"
    if next_after is not None:
        return f"{nothing} up to row {next_after} of the outbox: go on behind it, with after={next_after}"
    return f"{nothing}, or the relay has it in hand: look again in some seconds"


def _is_wanted(row: WalkedRow, action: str) -> bool:
    if row.is_in_hand:
        return False
    if action == "park":
        return not row.is_parked
    return row.is_parked or action == "discard"
