"""HTTP: sales to phone numbers, and the log of transactions."""

import re
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from flask import url_for
from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy import select
from sqlalchemy.orm import Session

from house.api import KEY_PARAMETER, HouseBlueprint, Money, idempotency_key
from house.problems import Problem
from house.room import room

from . import charging
from .access import caller, caller_id
from .sellers import account_of
from .tables import LogEntry

_NUMBER: Final = re.compile(r"\+?[0-9]{3,15}", re.ASCII)
_MOST: Final = 1000
_LAST_DAY: Final = date(9998, 12, 31)

charges = HouseBlueprint("charges", __name__, description="Sales, and the log of transactions.")


class PhoneNumber(fields.String):
    """Digits, maybe with a plus before them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            raise ValidationError("Must be a phone number of 3 to 15 digits, like +15550100.")
        return value


class ChargeSchema(Schema):
    phone_number = PhoneNumber(
        required=True, metadata={"pattern": "^\\+?[0-9]{3,15}$", "example": "+15550100"}
    )
    amount = Money(required=True)
    id = fields.UUID(dump_only=True)
    status = fields.String(dump_only=True, metadata={"enum": ["pending", "completed", "failed"]})
    code = fields.String(dump_only=True)
    created_at = fields.DateTime(dump_only=True)
    ended_at = fields.DateTime(dump_only=True, allow_none=True)


class SpanSchema(Schema):
    start_date = fields.Date(load_default=date.min)
    end_date = fields.Date(load_default=_LAST_DAY)
    after = fields.Integer(load_default=0, validate=validate.Range(0, 2**62))
    limit = fields.Integer(load_default=_MOST, validate=validate.Range(1, _MOST))


class LogSchema(Schema):
    id = fields.Integer(required=True)
    kind = fields.String(required=True, metadata={"enum": ["credit", "sale", "other"]})
    amount = Money(required=True)
    balance = Money(required=True)
    phone_number = fields.String(required=True, allow_none=True)
    at = fields.DateTime(required=True)


@charges.post("/charge/")
@charges.doc(parameters=[KEY_PARAMETER])
@charges.arguments(ChargeSchema)
@charges.response(202, ChargeSchema)
def charge(args: dict[str, Any]) -> Any:
    """Sell airtime to a phone number: it is stored, and completed or failed in a moment."""
    one, me, key = room(), caller_id(), idempotency_key()

    def work(session: Session) -> UUID:
        caller(session)
        number, cents = args["phone_number"], args["amount"]
        return charging.begin(session, one.desk, f"charge:{me}:{key}", me, number, cents)

    made = one.database.transact(work)
    seen = one.waiting.until(
        str(made), lambda session: _found(session, made), lambda found: found.status != "pending"
    )
    where = url_for("charges.look_at_charge", charge_id=made)
    return shown(seen), HTTPStatus.ACCEPTED, {"Location": where}


@charges.get("/charges/<uuid:charge_id>")
@charges.response(200, ChargeSchema)
def look_at_charge(charge_id: UUID) -> dict[str, Any]:
    """What became of a sale."""

    def read(session: Session) -> charging.View:
        me, found = caller(session), _found(session, charge_id)
        if not me.is_admin and found.seller_id != me.id:
            raise Problem("NOT_YOURS")
        return found

    return shown(room().database.transact(read))


@charges.get("/transactions/")
@charges.arguments(SpanSchema, location="query")
@charges.response(200, LogSchema(many=True))
def transactions(args: dict[str, Any]) -> list[dict[str, Any]]:
    """The log: a row for each entry of the account, from one day to another, both included, in UTC.

    At most `limit` rows come, the oldest first; the id of the last one is `after` for the next page.
    """
    if args["start_date"] > args["end_date"]:
        wrong = "Must not be before start_date."
        raise Problem("INVALID_FIELDS", f"end_date: {wrong}", fields={"end_date": wrong})

    def read(session: Session) -> list[dict[str, Any]]:
        mine = account_of(session, caller(session).id)
        wanted = (
            select(LogEntry)
            .where(
                LogEntry.creditor_id == mine,
                LogEntry.id > args["after"],
                LogEntry.at >= f"{args['start_date'].isoformat()} 00:00+00",
                LogEntry.at < f"{min(args['end_date'], _LAST_DAY) + timedelta(1)} 00:00+00",
            )
            .order_by(LogEntry.id)
            .limit(args["limit"])
        )
        return [_logged(row) for row in session.execute(wanted).scalars()]

    return room().database.transact(read)


def _logged(row: LogEntry) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "amount": row.cents,
        "balance": row.balance,
        "phone_number": row.note if row.kind == "sale" else None,
        "at": row.at,
    }


def _found(session: Session, charge_id: UUID) -> charging.View:
    found = charging.view(session, charge_id)
    if found is None:
        raise Problem("NOT_FOUND", "There is no such sale.")
    return found


def shown(seen: charging.View) -> dict[str, Any]:
    """A sale as its schema wants it."""
    code = {"code": seen.code} if seen.code else {}
    return code | {
        "id": seen.id,
        "phone_number": seen.phone_number,
        "amount": seen.cents,
        "status": seen.status,
        "created_at": seen.created_at,
        "ended_at": seen.ended_at,
    }
