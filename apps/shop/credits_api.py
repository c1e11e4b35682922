"""HTTP: requests for credit, and decisions about them."""

from http import HTTPStatus
from typing import Any, Final

from flask import url_for
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from house.api import KEY_PARAMETER, HouseBlueprint, Money, idempotency_key
from house.desk import refusal_code
from house.problems import Problem
from house.room import room

from . import crediting, deciding
from .access import admin, caller, caller_id
from .tables import PENDING

_MOST: Final = 500
credits_ = HouseBlueprint("credits", __name__, description="Requests for credit.")


class AmountSchema(Schema):
    amount = Money(required=True)


class RequestSchema(Schema):
    id = fields.Integer(required=True)
    seller = fields.String(required=True)
    amount = Money(required=True)
    status = fields.String(
        required=True, metadata={"enum": [PENDING, crediting.APPROVED, crediting.REJECTED]}
    )
    is_issued = fields.Boolean(required=True)
    created_at = fields.DateTime(required=True)
    decided_at = fields.DateTime(required=True, allow_none=True)
    code = fields.String()


class ListSchema(Schema):
    status = fields.String(
        load_default=None, validate=validate.OneOf([PENDING, crediting.APPROVED, crediting.REJECTED])
    )
    before = fields.Integer(load_default=2**62, validate=validate.Range(1, 2**62))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, _MOST))


@credits_.post("/credit-request/")
@credits_.doc(parameters=[KEY_PARAMETER])
@credits_.arguments(AmountSchema)
@credits_.response(201, RequestSchema)
def ask(args: dict[str, Any]) -> dict[str, Any]:
    """Ask for credit; an administrator will decide."""
    one, me, key = room(), caller_id(), idempotency_key()

    def work(session: Session) -> crediting.View:
        caller(session)
        # In one transaction: what is stored is answered, or else was not stored.
        return deciding.found(session, crediting.ask(session, f"ask:{me}:{key}", me, args["amount"]))

    return shown(one.database.transact(work))


@credits_.get("/credit-requests/")
@credits_.arguments(ListSchema, location="query")
@credits_.response(200, RequestSchema(many=True))
def list_requests(args: dict[str, Any]) -> list[dict[str, Any]]:
    """The own requests, or those of all for an administrator; the newest first, page by page by `before`."""

    def read(session: Session) -> list[crediting.View]:
        me = caller(session)
        return crediting.pages(
            session,
            status=args["status"],
            seller_id=None if me.is_admin else me.id,
            before=args["before"],
            most=args["limit"],
        )

    return [shown(one) for one in room().database.transact(read)]


@credits_.get("/credit-requests/<int:request_id>")
@credits_.response(200, RequestSchema)
def request_(request_id: int) -> dict[str, Any]:
    """One request."""

    def read(session: Session) -> crediting.View:
        me, found = caller(session), deciding.found(session, request_id)
        if not me.is_admin and found.seller_id != me.id:
            raise Problem("NOT_YOURS")
        return found

    return shown(room().database.transact(read))


@credits_.post("/credit-requests/<int:request_id>/approve/")
@credits_.response(200, RequestSchema)
@credits_.alt_response(202, schema=RequestSchema, description="It is decided, and being issued.")
@credits_.alt_response(409, schema=None, description="ALREADY_DECIDED")
def approve(request_id: int) -> Any:
    """Grant the credit: it is issued once; administrators do that."""
    return _decide(request_id, crediting.APPROVED)


@credits_.post("/credit-requests/<int:request_id>/reject/")
@credits_.response(200, RequestSchema)
@credits_.alt_response(409, schema=None, description="ALREADY_DECIDED")
def reject(request_id: int) -> Any:
    """Refuse the credit; administrators do that."""
    return _decide(request_id, crediting.REJECTED)


def _decide(request_id: int, decision: str) -> Any:
    seen = deciding.decide(room(), request_id, decision, lambda session: admin(session).id)
    if seen.is_over:
        return shown(seen)
    where = url_for("credits.request_", request_id=request_id)
    return shown(seen) | {"code": "STILL_RUNNING"}, HTTPStatus.ACCEPTED, {"Location": where}


def shown(seen: crediting.View) -> dict[str, Any]:
    """A request as its schema wants it."""
    code = {"code": refusal_code(seen.issuing)} if seen.issuing not in ("", "OK") else {}
    return code | {
        "id": seen.id,
        "seller": seen.seller,
        "amount": seen.cents,
        "status": seen.status,
        "is_issued": seen.issuing == "OK",
        "created_at": seen.created_at,
        "decided_at": seen.decided_at,
    }
