"""HTTP: the halves of taps, and what became of them."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from flask import url_for
from marshmallow import Schema, fields, validate
from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from house.api import HouseBlueprint, Money, Text
from house.problems import Problem
from house.room import Room, room

from . import access, meeting
from .api_keys import Caller
from .fields import TapKey, UserId
from .matching import HalfTap
from .numbers import MEANINGS
from .settings import alone_seconds
from .tables import Half, Tap

_MOST: Final = 500
taps = HouseBlueprint("taps", __name__, description="Taps: two halves, one payment.")


class SendSchema(Schema):
    key = TapKey(required=True)
    user_id = UserId(required=True)
    transfer_amount = Money(required=True)
    os_sender = Text(most=40, load_default="unknown")
    transaction_time = Text(most=64, load_default="unknown")


class ReceiveSchema(Schema):
    key = TapKey(required=True)
    user_id = UserId(required=True)
    sender_id = UserId(required=True)
    expected_amount = Money(required=True)
    os_receiver = Text(most=40, load_default="unknown")


class TapSchema(Schema):
    key = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": ["waiting", "running", "done", "failed"]})
    errors = fields.List(fields.Integer(metadata={"enum": sorted(MEANINGS)}), required=True)
    meanings = fields.List(fields.String(), required=True)
    amount = Money(required=True)
    payer = fields.String(required=True, allow_none=True)
    payee = fields.String(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    ended_at = fields.DateTime(required=True, allow_none=True)
    code = fields.String()


class TapErrorSchema(Schema):
    number = fields.Integer(required=True, metadata={"enum": sorted(MEANINGS)})
    meaning = fields.String(required=True)
    key = fields.String(required=True)
    at = fields.DateTime(required=True)


class PageSchema(Schema):
    limit = fields.Integer(load_default=100, validate=validate.Range(1, _MOST))


class WaitSchema(Schema):
    wait = fields.Boolean(load_default=False)


@taps.post("/send/")
@taps.arguments(SendSchema)
@taps.response(200, TapSchema)
@taps.alt_response(202, schema=TapSchema, description="It waits for the other half, or is still running.")
@taps.alt_response(409, schema=None, description="KEY_CONFLICT: this half was sent with other terms")
def send(args: dict[str, Any]) -> Any:
    """The half of the phone that pays."""
    access.user(args["user_id"])
    half = HalfTap(
        side="send",
        user_id=args["user_id"],
        sender_id=args["user_id"],
        cents=args["transfer_amount"],
        os=args["os_sender"],
        transaction_time=args["transaction_time"],
    )
    return _take(args["key"], half)


def receive(args: dict[str, Any]) -> Any:
    """The half of the phone that is paid."""
    access.user(args["user_id"])
    if args["sender_id"] == args["user_id"]:
        raise Problem("SAME_ACCOUNT", "Nobody pays oneself.", fields={"sender_id": "is the recipient."})
    half = HalfTap(
        side="receive",
        user_id=args["user_id"],
        sender_id=args["sender_id"],
        cents=args["expected_amount"],
        os=args["os_receiver"],
        transaction_time="unknown",
    )
    return _take(args["key"], half)


def _add_receive(path: str, name: str, *, is_old: bool) -> None:
    """The same under two names: phones are out there that spell it wrong."""

    def view(args: dict[str, Any]) -> Any:
        return receive(args)

    view.__doc__ = receive.__doc__
    described = taps.doc(deprecated=is_old, operationId=name)(view)
    described = taps.alt_response(409, schema=None, description="KEY_CONFLICT: sent with other terms")(
        described
    )
    described = taps.alt_response(202, schema=TapSchema, description="It waits, or is running.")(described)
    answering = taps.response(200, TapSchema)(taps.arguments(ReceiveSchema)(described))
    taps.add_url_rule(path, name, answering, methods=["POST"])


_add_receive("/receive/", "receive", is_old=False)
_add_receive("/recieve/", "recieve", is_old=True)


@taps.get("/transactions/<string:key>")
@taps.arguments(WaitSchema, location="query")
@taps.response(200, TapSchema)
def transaction(args: dict[str, Any], key: str) -> dict[str, Any]:
    """What became of a tap: for its two parties and the operator.

    `wait=true` waits for its end, at most two seconds.
    """
    asking, one = access.caller(), room()

    def look(session: Session) -> meeting.View:
        found = meeting.view(session, key)
        if found is None:
            raise Problem("NOT_FOUND", "Nobody has sent a half with this key.")
        if not asking.is_operator and all(half.user_id != asking.user_id for half in found.halves):
            raise Problem("NOT_YOURS", "Others have tapped here.")
        return found

    if args["wait"]:
        return shown(one.waiting.until(key, look, lambda seen: seen.is_settled))
    return shown(one.database.transact(look))


@taps.get("/errors")
@taps.arguments(PageSchema, location="query")
@taps.response(200, TapErrorSchema(many=True))
def errors(args: dict[str, Any]) -> list[dict[str, Any]]:
    """What went wrong with the own taps, or with all for the operator; the newest first."""
    asking = access.caller()
    rows = room().database.transact(lambda session: _failed(session, asking, args["limit"]))
    return [
        {"key": key, "number": number, "meaning": MEANINGS[number], "at": at}
        for key, numbers, at in rows
        for number in numbers
    ][: args["limit"]]


def _failed(session: Session, asking: Caller, most: int) -> list[tuple[str, list[int], datetime | None]]:
    mine: ColumnElement[bool] = true()
    if not asking.is_operator:
        mine = Tap.key.in_(select(Half.key).where(Half.user_id == asking.user_id))
    wanted = (
        select(Tap.key, Tap.errors, Tap.ended_at)
        .where(Tap.state == "failed", mine)
        .order_by(Tap.ended_at.desc(), Tap.key)
        .limit(most)
    )
    return [(key, list(numbers), at) for key, numbers, at in session.execute(wanted)]


def _take(key: str, half: HalfTap) -> Any:
    one = room()
    one.database.transact(lambda session: _store(session, one, key, half))
    seen = one.waiting.until(
        key, lambda session: _found(session, key), lambda found: found.is_waiting or found.is_settled
    )
    if seen.is_over:
        return shown(seen)
    where = url_for("taps.transaction", key=key)
    code = {} if seen.is_waiting else {"code": "STILL_RUNNING"}
    return shown(seen) | code, HTTPStatus.ACCEPTED, {"Location": where}


def _store(session: Session, one: Room, key: str, half: HalfTap) -> None:
    meeting.take(session, one.desk, key, half, alone_seconds(one.reader))
    one.bells.ring(session, key)


def _found(session: Session, key: str) -> meeting.View:
    found = meeting.view(session, key)
    assert found is not None, "it was stored before"
    return found


def shown(seen: meeting.View) -> dict[str, Any]:
    """A tap as its schema wants it."""
    send, receive = seen.side("send"), seen.side("receive")
    return {
        "key": seen.key,
        "status": seen.state,
        "errors": list(seen.errors),
        "meanings": [MEANINGS[number] for number in seen.errors],
        "amount": seen.cents,
        "payer": None if send is None else send.user_id,
        "payee": None if receive is None else receive.user_id,
        "created_at": seen.created_at,
        "ended_at": seen.ended_at,
    }
