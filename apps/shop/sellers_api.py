"""HTTP: sellers, their tokens, and what they have."""

import re
from typing import Any, Final

from flask import request
from marshmallow import Schema, ValidationError, fields
from sqlalchemy.orm import Session

from house.api import HouseBlueprint, Money, Text
from house.passwords import LEAST_CHARACTERS, MOST_CHARACTERS, hash_password, is_password
from house.problems import Problem
from house.room import room

from . import sellers as people
from .access import admin, caller, make_token

_USERNAME: Final = re.compile(r"[A-Za-z0-9_.@+-]{1,64}", re.ASCII)

sellers = HouseBlueprint("sellers", __name__, description="Sellers.")


class Username(fields.String):
    """A name of letters, digits and a few signs."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or not _USERNAME.fullmatch(value):
            raise ValidationError("Must have 1 to 64 letters, digits and characters of _.@+-")
        return value


class SellerSchema(Schema):
    username = Username(required=True, metadata={"pattern": "^[A-Za-z0-9_.@+-]{1,64}$"})
    password = fields.String(
        required=True,
        load_only=True,
        metadata={"minLength": LEAST_CHARACTERS, "maxLength": MOST_CHARACTERS, "format": "password"},
    )
    name = Text(most=100, required=True)
    id = fields.Integer(dump_only=True)


class LoginSchema(Schema):
    username = Username(required=True)
    password = fields.String(required=True, metadata={"maxLength": MOST_CHARACTERS, "format": "password"})


class TokenSchema(Schema):
    token = fields.String(required=True)


class BalanceSchema(Schema):
    balance = Money(required=True)
    is_open = fields.Boolean(required=True)


@sellers.post("/create/")
@sellers.doc(security=[])
@sellers.arguments(SellerSchema)
@sellers.response(201, SellerSchema)
@sellers.alt_response(409, schema=None, description="USERNAME_TAKEN")
def create(args: dict[str, Any]) -> dict[str, Any]:
    """Become a seller.  The same request again, with the same password, is the same seller."""
    one, password = room(), args.pop("password")
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        wrong = f"Must have {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters."
        raise Problem("INVALID_FIELDS", f"password: {wrong}", fields={"password": wrong})
    found = one.database.transact(lambda session: people.find(session, args["username"]))
    if found is None:
        person = people.Person(password_hash=hash_password(password), **args)
        return _shown(one.database.transact(lambda session: people.register(session, one.desk, person)))
    one.throttle.check(*_who(args["username"]))
    if found.is_closed or not is_password(found.password_hash, password):
        one.throttle.note(*_who(args["username"]))
        raise Problem("USERNAME_TAKEN", fields={"username": "Somebody has this name already."})
    return _shown(found)


@sellers.post("/token/")
@sellers.doc(security=[])
@sellers.arguments(LoginSchema)
@sellers.response(200, TokenSchema)
def token(args: dict[str, Any]) -> dict[str, str]:
    """Get a token for a name and a password; it is good for a day."""
    one = room()
    one.throttle.check(*_who(args["username"]))
    found = one.database.transact(lambda session: people.find(session, args["username"]))
    kept = None if found is None or found.is_closed else found.password_hash
    if not is_password(kept, args["password"]):
        one.throttle.note(*_who(args["username"]))
        raise Problem("NOT_KNOWN", "Unknown name, or wrong password.")
    assert found is not None, "nobody has no password"
    return {"token": make_token(one, found.id)}


@sellers.get("/balance/")
@sellers.response(200, BalanceSchema)
def balance() -> dict[str, Any]:
    """The credit that is left."""
    one = room()

    def read(session: Session) -> dict[str, Any]:
        creditor_id = people.account_of(session, caller(session).id)
        return {
            "balance": one.desk.balance(session, creditor_id),
            "is_open": one.desk.is_open(session, creditor_id),
        }

    return one.database.transact(read)


@sellers.delete("/sellers/<string:username>")
@sellers.response(204)
@sellers.alt_response(409, schema=None, description="NOT_EMPTY")
def remove(username: str) -> None:
    """Remove a seller whose credit is used up; administrators do that."""
    one = room()

    def work(session: Session) -> None:
        admin(session)
        people.close(session, one.desk, username)

    one.database.transact(work)


def _shown(found: people.View) -> dict[str, Any]:
    return {"id": found.id, "username": found.username, "name": found.name}


def _who(username: str) -> tuple[str, str]:
    return f"name {username}", f"address {request.remote_addr}"
