"""HTTP: registration, and tokens."""

from typing import Any, TypeAlias

from flask import request
from marshmallow import Schema, ValidationError, fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from house.api import HouseBlueprint
from house.fields import Email, Text
from house.passwords import LEAST_CHARACTERS, MOST_CHARACTERS, hash_password, is_password
from house.problems import Problem
from house.room import room

from .access import caller, caller_id, make_token, read_token
from .clients import Person, leave, register
from .tables import Client

Known: TypeAlias = tuple[dict[str, Any], str | None]
"""A client as others see one, and what is kept of the password."""

accounts = HouseBlueprint("accounts", __name__, description="Registration and tokens.")


def _password(**kwargs: Any) -> fields.String:
    def check(value: str) -> None:
        if not LEAST_CHARACTERS <= len(value) <= MOST_CHARACTERS:
            raise ValidationError(f"Must have {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters.")

    metadata = {"minLength": LEAST_CHARACTERS, "maxLength": MOST_CHARACTERS, "format": "password"}
    return fields.String(required=True, validate=check, metadata=metadata, **kwargs)


class RegistrationSchema(Schema):
    email = Email(required=True)
    password = _password(load_only=True)
    first_name = Text(most=100, required=True)
    last_name = Text(most=100, required=True)


class ClientSchema(Schema):
    id = fields.Integer(required=True)
    email = fields.String(required=True)
    first_name = fields.String(required=True)
    last_name = fields.String(required=True)


class LoginSchema(Schema):
    email = Email(required=True)
    password = fields.String(required=True, metadata={"maxLength": MOST_CHARACTERS, "format": "password"})


class ClosingSchema(Schema):
    password = fields.String(required=True, metadata={"maxLength": MOST_CHARACTERS, "format": "password"})


class TokenSchema(Schema):
    token = fields.String(required=True)


@accounts.post("/registration/")
@accounts.doc(security=[])
@accounts.arguments(RegistrationSchema)
@accounts.response(201, ClientSchema)
@accounts.alt_response(400, schema=None, description="EMAIL_TAKEN, INVALID_FIELDS")
def registration(args: dict[str, Any]) -> dict[str, Any]:
    """Register, and get a wallet.

    The same registration again, with the same password, gives the same client.
    """
    one = room()
    password = args.pop("password")
    known = one.database.transact(lambda session: _find(session, args["email"]))
    if known is None:
        person = Person(password_hash=hash_password(password), **args)
        made = one.database.transact(lambda session: _register(session, person))
        if isinstance(made, dict):
            return made
        known = made
    shown, kept = known
    one.throttle.check(_name(args["email"]), _address())
    if kept is None or not is_password(kept, password):
        one.throttle.note(_name(args["email"]), _address())
        raise Problem("EMAIL_TAKEN", fields={"email": "Somebody has a wallet with this address already."})
    return shown


def _find(session: Session, email: str) -> Known | None:
    found = session.execute(select(Client).where(Client.email == email)).scalar_one_or_none()
    if found is None:
        return None
    return _shown(found), None if found.closed_at else found.password_hash


def _register(session: Session, person: Person) -> dict[str, Any] | Known:
    """The new client; or the one of somebody who was quicker, maybe with the same request."""
    known = _find(session, person.email)
    return _shown(register(session, room().desk, person)) if known is None else known


def _shown(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "email": client.email,
        "first_name": client.first_name,
        "last_name": client.last_name,
    }


@accounts.post("/login-web-token/")
@accounts.doc(security=[])
@accounts.arguments(LoginSchema)
@accounts.response(200, TokenSchema)
@accounts.alt_response(401, schema=None, description="NOT_KNOWN")
def login(args: dict[str, Any]) -> dict[str, str]:
    """Get a token for an e-mail address and a password; it is good for a day."""
    one = room()
    one.throttle.check(_name(args["email"]), _address())
    found = one.database.transact(lambda session: _credentials(session, args["email"]))
    kept = None if found is None else found[1]
    if not is_password(kept, args["password"]):
        one.throttle.note(_name(args["email"]), _address())
        raise Problem("NOT_KNOWN", "Unknown e-mail address, or wrong password.")
    assert found is not None, "nobody has no password"
    return {"token": make_token(one, found[0])}


def _credentials(session: Session, email: str) -> tuple[int, str] | None:
    wanted = select(Client.id, Client.password_hash).where(Client.email == email, Client.closed_at.is_(None))
    row = session.execute(wanted).one_or_none()
    return None if row is None else (row[0], row[1])


@accounts.post("/refresh-web-token/")
@accounts.doc(security=[])
@accounts.arguments(TokenSchema)
@accounts.response(200, TokenSchema)
@accounts.alt_response(401, schema=None, description="NOT_KNOWN")
def refresh(args: dict[str, str]) -> dict[str, str]:
    """Get a new token for one that is still good."""
    return {"token": make_token(room(), _owner(args["token"]))}


@accounts.post("/verify-web-token/")
@accounts.doc(security=[])
@accounts.arguments(TokenSchema)
@accounts.response(200, TokenSchema)
@accounts.alt_response(401, schema=None, description="NOT_KNOWN")
def verify(args: dict[str, str]) -> dict[str, str]:
    """Ask whether a token is good."""
    _owner(args["token"])
    return args


def _owner(token: str) -> int:
    client_id = read_token(token)
    is_here = room().database.transact(
        lambda session: session.execute(
            select(Client.id).where(Client.id == client_id, Client.closed_at.is_(None))
        ).scalar_one_or_none()
    )
    if is_here is None:
        raise Problem("NOT_KNOWN", "The wallet of this token is closed.")
    return client_id


def _name(email: str) -> str:
    return f"name {email}"


def _address() -> str:
    return f"address {request.remote_addr}"


@accounts.post("/close/")
@accounts.arguments(ClosingSchema)
@accounts.response(204)
@accounts.alt_response(400, schema=None, description="NOT_EMPTY")
def close(args: dict[str, str]) -> None:
    """Close the own wallet, for ever.  It must be empty."""
    one = room()
    me = caller_id()
    one.throttle.check(f"client {me}")
    kept = one.database.transact(lambda session: caller(session).password_hash)
    if not is_password(kept, args["password"]):
        one.throttle.note(f"client {me}")
        raise Problem("NOT_KNOWN", "The password is wrong.")
    one.database.transact(lambda session: leave(session, one.desk, caller(session)))
