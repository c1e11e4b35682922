"""Page: what waits in queues and in the outbox, and what operators do for agents that are away."""

from typing import Any, Final

from flask import render_template, url_for
from marshmallow import Schema, fields, validate
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response

from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.operators.admin.api.outbox import (
    LONGEST_NOTE,
    AgentsQuery,
    handle,
    read_rows,
    settle_rows,
    shown_queues,
)
from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import Text, WrittenInteger
from swpt_accounts.operators.admin.pages import MOST_ITEMS, PageQuery, answer_page
from swpt_accounts.operators.inspection.agents import list_agents
from swpt_accounts.operators.inspection.outbox import outbox_state
from swpt_accounts.operators.operations.outbox_rows import ACTIONS
from swpt_accounts.runtime.errors import first_line, mask_secrets
from swpt_accounts.wire.numbers import MAX_INT64

from .arguments import asked, console, done, filled

_DONE: Final = {"park": "Parked", "release": "Released", "discard": "Discarded"}
_ROWS_DONE: Final = {"release": "Will be tried again", "discard": "Discarded"}


class OutboxQuery(PageQuery, AgentsQuery):
    """Which page of the rows, and from which row on to look for agents."""


class AgentForm(Schema):
    """From which row on to look, and why; the note is kept in the audit."""

    after = WrittenInteger(least=0, most=MAX_INT64, load_default=0)
    note = Text(most=LONGEST_NOTE, load_default="")


class RowsForm(Schema):
    """Which unreadable rows, and why; the note is kept in the audit."""

    ids = fields.List(
        WrittenInteger(least=1, most=MAX_INT64),
        required=True,
        validate=validate.Length(1, MOST_ITEMS, error="choose one row or more"),
        error_messages={"required": "choose one row or more"},
    )
    note = Text(most=LONGEST_NOTE, load_default="")


@console.get("/outbox")
def outbox() -> str:
    """Queues, the outbox, agents that are away, and rows that could not be published."""
    args = asked(OutboxQuery)
    page = answer_page(args, read_rows)
    with admin_context().reading() as connection:
        state = outbox_state(connection)
        agents, next_after = list_agents(connection, args["after"])
    queues, broker_problem = queues_or_problem()
    return render_template(
        "admin/outbox.html",
        page=page,
        state=state,
        agents=agents,
        after=args["after"],
        next_after=next_after,
        queues=queues,
        broker_problem=broker_problem,
    )


@console.post("/outbox/agents/<exchange>/<subnet:subnet>/<action>")
def handle_agent(exchange: str, subnet: str, action: str) -> Response:
    """Park, release or discard the events of an agent."""
    if action not in ACTIONS:
        raise UnprocessableEntity(f"{action[:50]!r} must be one of {', '.join(ACTIONS)}.")
    form = filled(AgentForm)
    handled = handle(exchange, subnet, action, form["note"], form["after"])
    noun = "event" if handled.events == 1 else "events"
    sentence = f"{_DONE[action]}: {handled.events:,} {noun} for {subnet} at {exchange}."
    if not handled.is_complete:
        sentence += " There may be more of them: look again."
    return done(sentence, url_for("console.outbox", after=form["after"] or None))


@console.post("/outbox/rows/<action>")
def handle_rows(action: str) -> Response:
    """Try unreadable rows again, or discard them."""
    if action not in _ROWS_DONE:
        raise UnprocessableEntity(f"{action[:50]!r} must be one of {', '.join(_ROWS_DONE)}.")
    form = filled(RowsForm)
    ids = settle_rows(form["ids"], action, form["note"])
    rows = f"row {ids[0]}" if len(ids) == 1 else f"{len(ids)} rows"
    return done(f"{_ROWS_DONE[action]}: {rows}.", url_for("console.outbox"))


def queues_or_problem() -> tuple[list[dict[str, Any]], str]:
    """The queues with their depths; or none, and why the broker cannot be asked."""
    try:
        return shown_queues(), ""
    except BrokerProblem as error:
        return [], mask_secrets(first_line(error))
