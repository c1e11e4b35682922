"""HTTP: offers."""

from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from flask import url_for
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from house.api import KEY_PARAMETER, HouseBlueprint, idempotency_key
from house.database import InDoubt
from house.fields import Money
from house.problems import Problem
from house.room import room
from swpt_client.errors import StoreAway

from . import access, booking, views
from .fields import Rate
from .steps import DIRECT, MODES

_MOST: Final = 500
offers = HouseBlueprint("offers", __name__, description="Offers: what is given, and what it must bring.")


class TermsSchema(Schema):
    give = fields.String(required=True, metadata={"example": "OAK"})
    amount = Money(required=True)
    want = fields.String(required=True, metadata={"example": "ASH"})
    rate = Rate(required=True)
    mode = fields.String(load_default=DIRECT, validate=validate.OneOf(MODES))


class PartSchema(Schema):
    trade_id = fields.String(required=True)
    status = fields.String(required=True)
    gives = Money(required=True)
    gets = Money(required=True)


class OfferSchema(Schema):
    id = fields.String(required=True)
    is_mine = fields.Boolean(required=True)
    give = fields.String(required=True)
    want = fields.String(required=True)
    amount = Money(required=True)
    open = Money(required=True, metadata={"type": "string", "description": "What is in no trade yet."})
    rate = Rate(required=True)
    mode = fields.String(required=True, metadata={"enum": list(MODES)})
    status = fields.String(
        required=True, metadata={"enum": ["open", "running", "filled", "cancelled", "refused"]}
    )
    reason = fields.String(required=True, metadata={"description": "Why it was refused."})
    created_at = fields.DateTime(required=True)
    given = Money(metadata={"type": "string", "description": "In trades that are done; of own offers."})
    got = Money(metadata={"type": "string", "description": "In trades that are done; of own offers."})
    trades = fields.List(fields.Nested(PartSchema), metadata={"description": "Of own offers."})
    code = fields.String()


class WhichSchema(Schema):
    whose = fields.String(load_default="all", validate=validate.OneOf(["all", "mine"]))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, _MOST))


@offers.post("/offers")
@offers.arguments(TermsSchema)
@offers.response(201, OfferSchema)
@offers.alt_response(202, schema=OfferSchema, description="A trade of it is still running.")
@offers.alt_response(409, schema=None, description="KEY_CONFLICT")
@offers.doc(parameters=[KEY_PARAMETER])
def make(args: dict[str, Any]) -> Any:
    """Offer something.  It is matched at once if others fit, or waits for them.

    Nothing is locked before others are found; a whole balance can be offered, unless its currency has a
    negative interest rate.
    """
    trader_id, key, one = access.trader(), idempotency_key(), room()
    terms = booking.Terms(
        give=args["give"], want=args["want"], cents=args["amount"], rate=args["rate"], mode=args["mode"]
    )
    offer_id = one.database.transact(lambda session: booking.place(session, one, trader_id, key, terms))
    # It is stored, and nobody may be told that it is not: what goes wrong from here on, the chore does again.
    with suppress(StoreAway, InDoubt):
        one.database.transact(lambda session: booking.work(session, one))
    seen = one.waiting.until(
        f"offer {offer_id}", lambda session: _view(session, offer_id), lambda found: found.is_resting
    )
    if seen.is_resting:
        return shown(seen, trader_id)
    where = url_for("offers.offer", offer_id=offer_id)
    return shown(seen, trader_id) | {"code": "STILL_RUNNING"}, HTTPStatus.ACCEPTED, {"Location": where}


@offers.get("/offers")
@offers.arguments(WhichSchema, location="query")
@offers.response(200, OfferSchema(many=True))
def listed(args: dict[str, Any]) -> list[dict[str, Any]]:
    """The book: all open offers, the best rate of each pair first; or all own ones, the newest first."""
    asking, one = access.caller(), room()
    if args["whose"] == "mine":
        trader_id = access.trader()
        found = one.database.transact(lambda session: views.offers_of(session, trader_id, args["limit"]))
    else:
        found = one.database.transact(lambda session: views.open_offers(session, args["limit"]))
    return [shown(offer, asking.trader_id) for offer in found]


@offers.get("/offers/<string:offer_id>")
@offers.response(200, OfferSchema)
def offer(offer_id: str) -> dict[str, Any]:
    """An own offer."""
    asking = access.caller()
    seen = room().database.transact(lambda session: _view(session, offer_id))
    if not asking.is_operator and seen.trader_id != asking.trader_id:
        raise Problem("NOT_YOURS")
    return shown(seen, asking.trader_id)


@offers.delete("/offers/<string:offer_id>")
@offers.response(200, OfferSchema)
@offers.alt_response(409, schema=None, description="TOO_LATE: all of it is in trades already")
def cancel(offer_id: str) -> dict[str, Any]:
    """Take back what is in no trade yet."""
    trader_id, one = access.trader(), room()

    def work(session: Session) -> views.OfferView:
        booking.cancel(session, trader_id, offer_id)
        session.flush()
        return _view(session, offer_id)

    return shown(one.database.transact(work), trader_id)


def _view(session: Session, offer_id: str) -> views.OfferView:
    found = views.offer_view(session, offer_id)
    if found is None:
        raise Problem("NOT_FOUND", "There is no such offer.")
    return found


def shown(seen: views.OfferView, trader_id: str | None) -> dict[str, Any]:
    """An offer as its schema wants it; of others only what they offer."""
    is_mine = seen.trader_id == trader_id
    common = {
        "id": seen.offer_id,
        "is_mine": is_mine,
        "give": seen.give,
        "want": seen.want,
        "amount": seen.cents,
        "open": seen.open_cents,
        "rate": seen.rate,
        "mode": seen.mode,
        "status": seen.status,
        "reason": seen.reason,
        "created_at": seen.created_at,
    }
    if not is_mine and trader_id is not None:
        return common | {"amount": seen.open_cents}
    parts = [
        {"trade_id": one.trade_id, "status": one.state, "gives": one.gives, "gets": one.gets}
        for one in seen.trades
    ]
    return common | {"given": seen.given, "got": seen.got, "trades": parts}
