"""What waits: in queues, in the outbox, and for agents that are away."""

from typing import Any, Final

from marshmallow import Schema, fields, validate
from werkzeug.exceptions import UnprocessableEntity

from swpt_accounts.broker.errors import QueueMissing
from swpt_accounts.broker.topology import DEAD_SUFFIX
from swpt_accounts.operators.admin.access import order
from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import Int64, JsonInteger, Moment, Text, WrittenInteger
from swpt_accounts.operators.admin.pages import PageQuery, answer_page, page_of
from swpt_accounts.operators.inspection.agents import EXCHANGES, Agent, list_agents
from swpt_accounts.operators.inspection.keyset import Cut, Page
from swpt_accounts.operators.inspection.outbox import outbox_state, page_of_outbox
from swpt_accounts.operators.operations.agents import Handled, handle_events
from swpt_accounts.operators.operations.outbox_rows import settle_unreadable
from swpt_accounts.wire.numbers import MAX_INT64

from .arguments import AdminBlueprint

outbox = AdminBlueprint("outbox", __name__, description="Queues and outbox")

LONGEST_NOTE: Final = 500
_MOST_ACCOUNTS: Final = 100
_MOST_IDS: Final = 100
_ROW_MEMBERS: Final = (
    "outbox_id",
    "created_at",
    "type_counts",
    "payload_bytes",
    "attempts",
    "next_attempt_at",
    "last_failure",
    "is_in_hand",
)


class QueueSchema(Schema):
    """A queue of ours at the broker; no depth if it is missing."""

    queue = fields.String()
    messages = fields.Integer(allow_none=True)


class OutboxSchema(Schema):
    """The oldest 10,000 rows of the outbox, counted; `is_complete` says whether that is all."""

    rows = fields.Integer()
    failed_rows = fields.Integer()
    parked_rows = fields.Integer()
    oldest_created_at = Moment(allow_none=True)
    is_complete = fields.Boolean()


class QueuesSchema(Schema):
    """The queues of this shard."""

    queues = fields.List(fields.Nested(QueueSchema))


class AccountKeySchema(Schema):
    """An account that an event belongs to."""

    debtor_id = Int64()
    creditor_id = Int64()


class OutboxRowSchema(Schema):
    """Events that could not be published.

    They were returned (no queue wants them), nacked or unanswered; or the row is unreadable and set aside.
    """

    outbox_id = Int64()
    created_at = Moment()
    types = fields.Dict(keys=fields.String(), values=fields.Integer(), attribute="type_counts")
    accounts = fields.List(fields.Nested(AccountKeySchema), metadata={"description": "The first 100."})
    payload_bytes = fields.Integer()
    attempts = fields.Integer()
    next_attempt_at = Moment(allow_none=True)
    last_failure = fields.String(allow_none=True)
    is_in_hand = fields.Boolean()
    is_parked = fields.Boolean()


class AgentSchema(Schema):
    """Whom events are for: the exchange, and the first three bytes of the routing key."""

    exchange = fields.String()
    subnet = fields.String()


class WaitingEventsSchema(Schema):
    """Events that no queue wanted, of one agent."""

    agent = fields.Nested(AgentSchema)
    rows = fields.Integer(
        attribute="events", metadata={"description": "Events; a row of the outbox can hold several."}
    )
    parked = fields.Integer()
    in_hand = fields.Integer()
    oldest_created_at = Moment()
    types = fields.Dict(keys=fields.String(), values=fields.Integer())


class AgentsQuery(Schema):
    """From which row on to look."""

    after = WrittenInteger(least=0, most=MAX_INT64, load_default=0)


class AgentsSchema(Schema):
    """Agents that no queue is there for, by the rows that could be looked at in half a second.

    Unless that is complete, `next_after` is the `after` of the next question.
    """

    agents = fields.List(fields.Nested(WaitingEventsSchema))
    is_complete = fields.Boolean()
    next_after = Int64(allow_none=True)


class OrderSchema(Schema):
    """From which row on to look, and why; the note is kept in the audit."""

    after = JsonInteger(least=0, most=MAX_INT64, load_default=0)
    note = Text(most=LONGEST_NOTE, load_default="")


class DiscardSchema(OrderSchema):
    """From which row on to look, and why; the note is kept in the audit."""

    note = Text(least=1, most=LONGEST_NOTE, required=True)


class HandledSchema(Schema):
    """What an order has done; unless it is complete, it goes on with `next_after` as its `after`."""

    rows = fields.Integer(
        attribute="events", metadata={"description": "Events; a row of the outbox can hold several."}
    )
    types = fields.Dict(keys=fields.String(), values=fields.Integer())
    is_complete = fields.Boolean()
    next_after = Int64(allow_none=True)


class RowsSchema(Schema):
    """Which unreadable rows, and a note that is kept in the audit."""

    ids = fields.List(
        JsonInteger(least=1, most=MAX_INT64),
        required=True,
        validate=validate.Length(1, _MOST_IDS, error=f"must be 1 to {_MOST_IDS} ids of rows"),
    )
    note = Text(most=LONGEST_NOTE, load_default="")


class DiscardedRowsSchema(RowsSchema):
    """Which unreadable rows, and why."""

    note = Text(least=1, most=LONGEST_NOTE, required=True)


class RowIdsSchema(Schema):
    """The rows that were settled."""

    ids = fields.List(Int64())


@outbox.get("/queues")
@outbox.response(200, QueuesSchema)
def queues() -> dict[str, Any]:
    """Show how many messages wait in the queues of this shard."""
    return {"queues": shown_queues()}


@outbox.get("/outbox")
@outbox.response(200, OutboxSchema)
def state() -> Any:
    """Show how much waits to be published, and since when."""
    with admin_context().reading() as connection:
        return outbox_state(connection)


@outbox.get("/outbox/rows")
@outbox.arguments(PageQuery, location="query")
@outbox.response(200, page_of(OutboxRowSchema))
def rows(args: dict[str, Any]) -> dict[str, Any]:
    """List rows that could not be published, oldest first, with the reason."""
    return answer_page(args, read_rows)


@outbox.post("/outbox/rows/release")
@outbox.arguments(RowsSchema)
@outbox.response(200, RowIdsSchema)
def release_rows(args: dict[str, Any]) -> dict[str, Any]:
    """Try unreadable rows again, for example with a newer version; all of them or none."""
    return {"ids": settle_rows(args["ids"], "release", args["note"])}


@outbox.post("/outbox/rows/discard")
@outbox.arguments(DiscardedRowsSchema)
@outbox.response(200, RowIdsSchema)
def discard_rows(args: dict[str, Any]) -> dict[str, Any]:
    """Delete unreadable rows; all of them or none.  Their events are lost; balances are not touched."""
    return {"ids": settle_rows(args["ids"], "discard", args["note"])}


@outbox.get("/outbox/agents")
@outbox.arguments(AgentsQuery, location="query")
@outbox.response(200, AgentsSchema)
def agents(args: dict[str, Any]) -> dict[str, Any]:
    """List agents whose events no queue wanted."""
    with admin_context().reading() as connection:
        found, next_after = list_agents(connection, args["after"])
    return {"agents": found, "is_complete": next_after is None, "next_after": next_after}


@outbox.post("/outbox/agents/<exchange>/<subnet:subnet>/park")
@outbox.arguments(OrderSchema)
@outbox.response(200, HandledSchema)
def park(args: dict[str, Any], exchange: str, subnet: str) -> Handled:
    """Stop trying to publish the events of an agent, until they are released."""
    return handle(exchange, subnet, "park", args["note"], args["after"])


@outbox.post("/outbox/agents/<exchange>/<subnet:subnet>/release")
@outbox.arguments(OrderSchema)
@outbox.response(200, HandledSchema)
def release(args: dict[str, Any], exchange: str, subnet: str) -> Handled:
    """Publish the parked events of an agent."""
    return handle(exchange, subnet, "release", args["note"], args["after"])


@outbox.post("/outbox/agents/<exchange>/<subnet:subnet>/discard")
@outbox.arguments(DiscardSchema)
@outbox.response(200, HandledSchema)
def discard(args: dict[str, Any], exchange: str, subnet: str) -> Handled:
    """Delete the events of an agent that is gone.  They are lost; balances are not touched."""
    return handle(exchange, subnet, "discard", args["note"], args["after"])


def shown_queues() -> list[dict[str, Any]]:
    """The queues of this shard with their depths."""
    name = admin_context().settings.protocol_broker_queue
    shown = []
    for queue in (name, name + DEAD_SUFFIX):
        try:
            shown.append({"queue": queue, "messages": admin_context().count_messages(queue)})
        except QueueMissing:
            shown.append({"queue": queue, "messages": None})
    return shown


def read_rows(connection: Any, cut: Cut, limit: int) -> Page[Any]:
    """A page of rows that have failed."""
    return page_of_outbox(connection, cut, limit, is_all=False).map(_shown_row)


def _shown_row(row: Any) -> dict[str, Any]:
    keys = [
        {"debtor_id": debtor, "creditor_id": creditor} for debtor, creditor in row.accounts[:_MOST_ACCOUNTS]
    ]
    is_parked = row.next_attempt_at is None and not row.is_in_hand
    return {name: getattr(row, name) for name in _ROW_MEMBERS} | {"accounts": keys, "is_parked": is_parked}


def handle(exchange: str, subnet: str, action: str, note: str, after: int) -> Handled:
    """Park, release or discard the events of an agent, as this request's order."""
    if exchange not in EXCHANGES:
        raise UnprocessableEntity(f"{exchange[:50]!r} must be one of {', '.join(EXCHANGES)}.")
    with admin_context().writing() as connection:
        return handle_events(connection, Agent(exchange, subnet), action, note, order=order(), after=after)


def settle_rows(ids: list[int], action: str, note: str) -> list[int]:
    """Release or discard unreadable rows, as this request's order; their ids."""
    with admin_context().writing() as connection:
        settle_unreadable(connection, ids, action, note, order=order())
    return sorted(set(ids))
