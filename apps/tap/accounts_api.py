"""HTTP: accounts."""

from http import HTTPStatus
from typing import Any

from flask import url_for
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from house import money
from house.api import HouseBlueprint, Money, Text
from house.desk import refusal_code
from house.problems import Problem
from house.room import room

from . import access
from .api_keys import new_key
from .fields import UserId
from .hearing import bell_of
from .opening import Owner, View, close, view, want

accounts = HouseBlueprint("accounts", __name__, description="Accounts, and the keys of their phones.")


class OwnerSchema(Schema):
    user_id = UserId(required=True)
    account_number = Text(most=40, required=True)
    balance = Money(required=True, least=0)
    account_type = Text(most=40, load_default="current")
    bank_sender = Text(most=100, load_default="none")


class AccountSchema(Schema):
    user_id = fields.String(required=True)
    account_number = fields.String(required=True)
    balance = Money(required=True)
    account_type = fields.String(required=True)
    bank_sender = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": ["opening", "open", "closed"]})
    api_key = fields.String(metadata={"description": "Of a new account; it is shown this once."})
    code = fields.String()


class KeySchema(Schema):
    user_id = fields.String(required=True)
    api_key = fields.String(required=True)


@accounts.post("/create/")
@accounts.arguments(OwnerSchema)
@accounts.response(201, AccountSchema)
@accounts.alt_response(202, schema=AccountSchema, description="The server has not opened it yet.")
@accounts.alt_response(409, schema=None, description="KEY_CONFLICT: another account of this user or number")
def create(args: dict[str, Any]) -> Any:
    """Open an account, and issue what is to be on it; the operator does that.

    The key of its phone is in the answer, and never shown again.  The same request again has no key.
    """
    access.operator()
    one = room()
    if args["balance"] > one.settings.issuing_limit:
        limit = f"There is at most {money.show(one.settings.issuing_limit)} to be issued."
        raise Problem("INVALID_AMOUNT", limit, fields={"balance": limit})
    owner = Owner(**args)

    def work(session: Session) -> str | None:
        return new_key(session, owner.user_id) if want(session, one.desk, owner) else None

    key = one.database.transact(work)
    seen = one.waiting.until(
        bell_of(owner.user_id), lambda session: _view(session, owner.user_id), lambda found: found.is_over
    )
    answer = shown(seen) | ({} if key is None else {"api_key": key})
    if seen.issuing not in ("", "OK"):
        raise Problem(refusal_code(seen.issuing), outcome=seen.issuing, **answer)
    if seen.is_over:
        return answer
    where = url_for("accounts.account", user_id=owner.user_id)
    return answer | {"code": "STILL_RUNNING"}, HTTPStatus.ACCEPTED, {"Location": where}


@accounts.get("/accounts/<string:user_id>")
@accounts.response(200, AccountSchema)
def account(user_id: str) -> dict[str, Any]:
    """What is on an account: the own one, or any for the operator."""
    access.user_or_operator(user_id)
    return shown(room().database.transact(lambda session: _view(session, user_id)))


@accounts.post("/accounts/<string:user_id>/key/")
@accounts.response(201, KeySchema)
def rotate(user_id: str) -> dict[str, str]:
    """Get a new key; the one before is worth nothing from now on."""
    access.user_or_operator(user_id)

    def work(session: Session) -> str:
        if _view(session, user_id).is_closed:
            raise Problem("NOT_FOUND", "This account is closed.")
        return new_key(session, user_id)

    return {"user_id": user_id, "api_key": room().database.transact(work)}


@accounts.delete("/accounts/<string:user_id>")
@accounts.response(204)
@accounts.alt_response(409, schema=None, description="NOT_EMPTY")
def remove(user_id: str) -> None:
    """Close an account that is empty; the operator does that."""
    access.operator()
    one = room()
    one.database.transact(lambda session: close(session, one.desk, user_id))


def _view(session: Session, user_id: str) -> View:
    found = view(session, room().desk, user_id)
    if found is None:
        raise Problem("NOT_FOUND", "There is no such account.")
    return found


def shown(seen: View) -> dict[str, Any]:
    """An account as its schema wants it."""
    owner = seen.owner
    return {
        "user_id": owner.user_id,
        "account_number": owner.account_number,
        "balance": owner.balance,
        "account_type": owner.account_type,
        "bank_sender": owner.bank_sender,
        "status": "closed" if seen.is_closed else "open" if seen.is_over else "opening",
    }
