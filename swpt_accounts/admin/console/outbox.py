"""Page: what waits in queues and in the outbox, and what operators do for agents that are away."""

from typing import Any, Final

from flask import render_template, url_for
from marshmallow import Schema
from werkzeug.exceptions import UnprocessableEntity
from werkzeug.wrappers import Response

from swpt_accounts.admin.api.outbox import LONGEST_NOTE, handle, read_rows, told_queues
from swpt_accounts.admin.desk import desk
from swpt_accounts.admin.fields import Text
from swpt_accounts.admin.pages import PageQuery, answer_page
from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.errors import first_line
from swpt_accounts.inspection.outbox import outbox_state
from swpt_accounts.operations.agents import ACTIONS, MOST_LISTED, list_agents
from swpt_accounts.urls import mask_url

from .doors import asked, console, done, filled

_DONE: Final = {"park": "Parked", "release": "Released", "discard": "Discarded"}


class NoteForm(Schema):
    """Why; kept in the audit."""

    note = Text(most=LONGEST_NOTE, load_default="")


@console.get("/outbox")
def outbox() -> str:
    """Queues, the outbox, agents that are away, and rows that could not be published."""
    page = answer_page(asked(PageQuery), read_rows)
    with desk().reading() as connection:
        state = outbox_state(connection)
        agents, is_complete = list_agents(connection)
    queues, broker_problem = queues_or_problem()
    return render_template(
        "admin/outbox.html",
        page=page,
        state=state,
        agents=agents,
        is_complete=is_complete,
        most_listed=MOST_LISTED,
        queues=queues,
        broker_problem=broker_problem,
    )


@console.post("/outbox/agents/<exchange>/<subnet:subnet>/<action>")
def handle_agent(exchange: str, subnet: str, action: str) -> Response:
    """Park, release or discard the events of an agent."""
    if action not in ACTIONS:
        raise UnprocessableEntity(f"{action[:50]!r} must be one of {', '.join(ACTIONS)}.")
    handled = handle(exchange, subnet, action, filled(NoteForm)["note"])
    noun = "event" if handled.rows == 1 else "events"
    sentence = f"{_DONE[action]}: {handled.rows:,} {noun} for {subnet} at {exchange}."
    return done(sentence, url_for("console.outbox"))


def queues_or_problem() -> tuple[list[dict[str, Any]], str]:
    """The queues with their depths; or none, and why the broker cannot be asked."""
    try:
        return told_queues(), ""
    except BrokerProblem as error:
        return [], mask_url(first_line(error))
