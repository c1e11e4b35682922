"""The periodic work: how late it is, and doing it now."""

from typing import Any

import msgspec
from marshmallow import Schema, fields

from swpt_accounts.operators.admin.access import order
from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import Int64, Moment
from swpt_accounts.operators.inspection.chores import list_chores
from swpt_accounts.operators.operations.chores import request_chore
from swpt_accounts.runtime.errors import OperatorError

from .arguments import AdminBlueprint, not_found

chores = AdminBlueprint("chores", __name__, description="Periodic work")


class ChoreSchema(Schema):
    """How a chore goes: the pass at hand, if there is one, and how the last one went."""

    name = fields.String()
    period_seconds = fields.Float()
    lag_seconds = fields.Float(metadata={"description": "How late it is; 0 up to half a minute."})
    pass_started_at = Moment(allow_none=True)
    pass_rows = Int64()
    pass_seconds = fields.Float()
    last_started_at = Moment(allow_none=True)
    last_finished_at = Moment(allow_none=True)
    last_rows = Int64()
    last_seconds = fields.Float()
    requested_at = Moment(allow_none=True, metadata={"description": "When somebody asked to do it now."})


class ChoresSchema(Schema):
    """All chores."""

    chores = fields.List(fields.Nested(ChoreSchema))


class RequestedSchema(Schema):
    """A chore that will be done soon."""

    name = fields.String()
    requested_at = Moment()


@chores.get("/chores")
@chores.response(200, ChoresSchema)
def list_() -> dict[str, Any]:
    """List the chores."""
    return {"chores": shown_chores()}


@chores.post("/chores/<name>/run")
@chores.response(202, RequestedSchema)
def run(name: str) -> dict[str, Any]:
    """Do a chore as soon as its process can, whether its period is over or not.

    A wish that nobody has fulfilled yet stays, whatever process dies.
    """
    return {"name": name, "requested_at": run_soon(name)}


def run_soon(name: str) -> int:
    """Wish for a chore, as this request's order; the moment of the wish.  Raises NotFound."""
    with admin_context().writing() as connection:
        try:
            return request_chore(connection, name, order=order())
        except OperatorError:
            not_found(f"chore {name[:50]!r}")


def shown_chores() -> list[dict[str, Any]]:
    """The chores, with what depends on the moment."""
    with admin_context().reading() as connection:
        found = list_chores(connection)
    now = admin_context().now()
    return [msgspec.structs.asdict(chore) | {"lag_seconds": chore.lag_seconds(now)} for chore in found]
