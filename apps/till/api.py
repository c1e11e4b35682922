"""HTTP for programs: what a person can do, with the same one-time tokens as the pages."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from flask import Response, g, request, url_for
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from house.api import HouseBlueprint, Money, Text
from house.passwords import MOST_CHARACTERS as LONGEST_PASSWORD
from house.problems import Problem
from house.room import room

from . import doing, lists
from .access import check_password
from .answers import View
from .holders import people, present, standing
from .notes import MOST_CHARACTERS
from .products import on_sale
from .rules import OK
from .statement import as_text, statement
from .tokens import make_token

PURPOSE: Final = "till bearer"
_BEARER_SECONDS: Final = 86400
_LONGEST: Final = 300
STATUSES: Final = ["running", "done", "refused", "undoing", "undone"]

till_api = HouseBlueprint("api", __name__, description="A person's till.")


class LoginSchema(Schema):
    name = Text(most=MOST_CHARACTERS, required=True)
    password = fields.String(required=True, metadata={"maxLength": LONGEST_PASSWORD, "format": "password"})


class BearerSchema(Schema):
    bearer = fields.String(required=True)


class MeSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    balance = Money(required=True)
    line = Money(required=True)
    colour = fields.String(required=True, metadata={"enum": ["good", "warn", "bad"]})
    notices = fields.List(fields.String(), required=True)


class PersonSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)


class ProductSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    category = fields.String(required=True)
    price = Money(required=True, attribute="cents")
    stock = fields.Integer(required=True)


class TokenSchema(Schema):
    token = fields.String(required=True)


class _WithToken(Schema):
    token = fields.String(required=True, metadata={"description": "From /tokens; it is good for one thing."})


class PurchaseSchema(_WithToken):
    product_id = fields.Integer(required=True, strict=True, validate=validate.Range(1, 2**62))
    price = Money(required=True)


class RechargeSchema(_WithToken):
    amount = Money(required=True)


class TransferSchema(_WithToken):
    to = Text(most=MOST_CHARACTERS, required=True, metadata={"description": "A name, a card, or an id."})
    amount = Money(required=True)
    note = Text(most=MOST_CHARACTERS, least=0, load_default="")


class DeedSchema(Schema):
    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": STATUSES})
    what = fields.String(required=True)
    amount = Money(required=True, attribute="cents")
    by = fields.String(required=True, attribute="holder")
    other = fields.String(required=True)
    at = fields.DateTime(required=True)
    code = fields.String()


class BoughtSchema(Schema):
    product_id = fields.Integer(required=True)
    name = fields.String(required=True)
    pieces = fields.Integer(required=True)


class ListsSchema(Schema):
    purchases = fields.List(fields.Nested(DeedSchema), required=True)
    recharges = fields.List(fields.Nested(DeedSchema), required=True)
    transfers = fields.List(fields.Nested(DeedSchema), required=True)
    most_bought = fields.List(fields.Nested(BoughtSchema), required=True)


def caller_id() -> int:
    """Who asks.  Raises Problem NOT_KNOWN."""
    if "till_caller" not in g:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        found: Any = room().signing.read(PURPOSE, bearer.strip()[:_LONGEST], seconds=_BEARER_SECONDS)
        if scheme.lower() != "bearer" or type(found) is not int:
            raise Problem("NOT_KNOWN", "Send what /login gave you as `Authorization: Bearer …`.")
        room().database.transact(lambda session: present(session, found).id)
        g.till_caller = found
    caller: int = g.till_caller
    return caller


@till_api.post("/login")
@till_api.doc(security=[])
@till_api.arguments(LoginSchema)
@till_api.response(200, BearerSchema)
@till_api.alt_response(401, schema=None, description="NOT_KNOWN")
def login(args: dict[str, str]) -> dict[str, str]:
    """Log in by name and password, for a day."""
    return {"bearer": room().signing.sign(PURPOSE, check_password(args["name"], args["password"]))}


@till_api.get("/me")
@till_api.response(200, MeSchema)
def me() -> dict[str, Any]:
    """Who one is, and what one has."""
    one, who = room(), caller_id()

    def read(session: Session) -> dict[str, Any]:
        holder = present(session, who)
        mine = standing(session, one.desk, holder)
        return {
            "id": who,
            "name": holder.name,
            "balance": mine.balance,
            "line": mine.line,
            "colour": mine.colour(doing.till_settings().red_below),
            "notices": [notice.text for notice in lists.unread(session, who)],
        }

    return one.database.transact(read)


@till_api.get("/people")
@till_api.response(200, PersonSchema(many=True))
def list_people() -> list[dict[str, Any]]:
    """Who is here."""
    caller_id()
    return room().database.transact(
        lambda session: [{"id": one.id, "name": one.name} for one in people(session)]
    )


@till_api.get("/products")
@till_api.response(200, ProductSchema(many=True))
def list_products() -> list[dict[str, Any]]:
    """What can be bought."""
    caller_id()
    names = ("id", "name", "category", "cents", "stock")
    return room().database.transact(
        lambda session: [{name: getattr(one, name) for name in names} for one in on_sale(session)]
    )


@till_api.post("/tokens")
@till_api.response(201, TokenSchema)
def new_token() -> dict[str, str]:
    """A token for one purchase, recharge, transfer or undo."""
    return {"token": make_token(room(), caller_id())}


@till_api.post("/purchases")
@till_api.arguments(PurchaseSchema)
@till_api.response(201, DeedSchema)
def buy(args: dict[str, Any]) -> Any:
    """Buy a product for the price that was shown."""
    return _answer(doing.buy(args["token"], caller_id(), args["product_id"], args["price"]))


@till_api.post("/recharges")
@till_api.arguments(RechargeSchema)
@till_api.response(201, DeedSchema)
def recharge(args: dict[str, Any]) -> Any:
    """Recharge what was put into the box."""
    return _answer(doing.recharge(args["token"], caller_id(), args["amount"]))


@till_api.post("/transfers")
@till_api.arguments(TransferSchema)
@till_api.response(201, DeedSchema)
def give(args: dict[str, Any]) -> Any:
    """Money for somebody else."""
    return _answer(doing.give(args["token"], caller_id(), args["to"], args["amount"], args["note"]))


@till_api.get("/deeds")
@till_api.response(200, ListsSchema)
def deeds() -> dict[str, Any]:
    """The last 100 purchases, the last 10 recharges and transfers, and the 10 most bought in 30 days."""
    who = caller_id()

    def read(session: Session) -> dict[str, Any]:
        return {
            "purchases": lists.purchases(session, who),
            "recharges": lists.recharges(session, who),
            "transfers": lists.transfers(session, who),
            "most_bought": lists.most_bought(session, datetime.now(UTC), who),
        }

    return room().database.transact(read)


@till_api.get("/deeds/<uuid:deed_id>")
@till_api.response(200, DeedSchema)
def deed(deed_id: UUID) -> View:
    """One deed of which one is a party."""
    who = caller_id()
    return room().database.transact(lambda session: doing.look(session, who, deed_id))


@till_api.post("/deeds/<uuid:deed_id>/undo")
@till_api.arguments(_WithToken)
@till_api.response(200, DeedSchema)
def undo(args: dict[str, str], deed_id: UUID) -> Any:
    """Undo a purchase, a recharge or a transfer of one's own, within an hour."""
    seen, is_old = doing.undo(args["token"], caller_id(), deed_id)
    answer = shown(seen.deed)
    if is_old:
        return answer | {"code": "ALREADY_UNDONE"}
    if seen.outcome == OK:
        return answer
    return answer | {"code": "STILL_RUNNING"}, HTTPStatus.ACCEPTED, _location(deed_id)


@till_api.get("/statements/<int:year>-<int:month>")
@till_api.response(200, content_type="text/plain")
def text_statement(year: int, month: int) -> Response:
    """What has moved within a month, as a text."""
    who = caller_id()
    if not (2000 <= year <= 9998 and 1 <= month <= 12):
        raise Problem("NOT_FOUND")
    zone = doing.till_settings().zone

    def read(session: Session) -> str:
        name = present(session, who).name
        return as_text(statement(session, who, name, year, month, zone), zone)

    return Response(room().database.transact(read), content_type="text/plain; charset=utf-8")


def _answer(seen: View) -> Any:
    """201 for what is done, 202 with an address to look at for what is still running."""
    if seen.status == "running":
        return shown(seen) | {"code": "STILL_RUNNING"}, HTTPStatus.ACCEPTED, _location(seen.id)
    return shown(seen)


def _location(deed_id: UUID) -> dict[str, str]:
    return {"Location": url_for("api.deed", deed_id=deed_id)}


def shown(seen: View) -> dict[str, Any]:
    """A deed as its schema wants it."""
    names = ("id", "kind", "status", "what", "cents", "holder", "other", "at")
    return {name: getattr(seen, name) for name in names}
