"""HTTP: trades, and how far each of their legs is."""

from typing import Any, Final

from marshmallow import Schema, fields, validate
from msgspec.structs import asdict
from sqlalchemy.orm import Session

from house.api import HouseBlueprint
from house.fields import Money
from house.problems import Problem
from house.room import room

from . import access, views
from .carrying import bell_of

_MOST: Final = 100
trades = HouseBlueprint(
    "trades", __name__, description="Trades: transfers that happen together or not at all."
)


class ActSchema(Schema):
    kind = fields.String(required=True, metadata={"enum": ["direct", "in", "out", "back"]})
    bundle = fields.String(required=True)
    state = fields.String(required=True)
    outcome = fields.String(required=True)
    attempts = fields.Integer(required=True)
    failure = fields.String(required=True)
    is_paid = fields.Boolean(required=True)
    is_paid_back = fields.Boolean(required=True)


class LegSchema(Schema):
    giver = fields.String(required=True)
    receiver = fields.String(required=True)
    currency = fields.String(required=True)
    amount = Money(required=True)
    refusal = fields.String(required=True, metadata={"description": "Why the giver could not pay."})
    acts = fields.List(fields.Nested(ActSchema), required=True)


class StepSchema(Schema):
    kind = fields.String(required=True)
    state = fields.String(required=True)
    reason = fields.String(required=True)


class TradeSchema(Schema):
    id = fields.String(required=True)
    mode = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": ["running", "done", "failed", "torn"]})
    reason = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    ended_at = fields.DateTime(required=True, allow_none=True)
    steps = fields.List(fields.Nested(StepSchema), required=True)
    legs = fields.List(fields.Nested(LegSchema), required=True)


class PageSchema(Schema):
    limit = fields.Integer(load_default=20, validate=validate.Range(1, _MOST))


class WaitSchema(Schema):
    wait = fields.Boolean(load_default=False)


@trades.get("/trades")
@trades.arguments(PageSchema, location="query")
@trades.response(200, TradeSchema(many=True))
def listed(args: dict[str, Any]) -> list[dict[str, Any]]:
    """The newest trades: the own ones, or all for the operator."""
    asking, one = access.caller(), room()
    found = one.database.transact(lambda session: views.trades(session, one, asking.trader_id, args["limit"]))
    return [shown(trade) for trade in found]


@trades.get("/trades/<string:trade_id>")
@trades.arguments(WaitSchema, location="query")
@trades.response(200, TradeSchema)
def trade(args: dict[str, Any], trade_id: str) -> dict[str, Any]:
    """A trade, for those who take part in it and the operator.

    `wait=true` waits for its end, at most two seconds.
    """
    asking, one = access.caller(), room()

    def look(session: Session) -> views.TradeView:
        found = views.trade_view(session, one, trade_id)
        if found is None:
            raise Problem("NOT_FOUND", "There is no such trade.")
        if not asking.is_operator and not found.is_of(asking.trader_id):
            raise Problem("NOT_YOURS", "Others trade here.")
        return found

    if args["wait"]:
        return shown(one.waiting.until(bell_of(trade_id), look, lambda seen: seen.state != "running"))
    return shown(one.database.transact(look))


def shown(seen: views.TradeView) -> dict[str, Any]:
    """A trade as its schema wants it."""
    return {
        "id": seen.trade_id,
        "mode": seen.mode,
        "status": seen.state,
        "reason": seen.reason,
        "created_at": seen.created_at,
        "ended_at": seen.ended_at,
        "steps": [{"kind": kind, "state": state, "reason": why} for kind, state, why in seen.steps],
        "legs": [
            {
                "giver": leg.giver,
                "receiver": leg.receiver,
                "currency": leg.currency,
                "amount": leg.cents,
                "refusal": leg.refusal,
                "acts": [asdict(act) for act in leg.acts],
            }
            for leg in seen.legs
        ],
    }
