"""HTTP: traders, their balances, deposits, keys, and the currencies."""

import hashlib
from http import HTTPStatus
from typing import Any

from flask import url_for
from marshmallow import Schema, ValidationError, fields
from sqlalchemy.orm import Session

from house import money
from house.api import KEY_PARAMETER, HouseBlueprint, idempotency_key
from house.api_keys import end_keys, rotate_key
from house.desk import NotReady, refusal_code
from house.fields import Money
from house.problems import Problem
from house.room import room
from house.visits import end_visits_of

from . import access
from .currencies import desk, desks
from .fields import TraderId
from .tables import Deposit, Trader
from .traders import View, admit, bell_of, close, view

traders = HouseBlueprint("traders", __name__, description="Traders, their balances, and the currencies.")


class NewSchema(Schema):
    trader_id = TraderId(required=True)


class BalanceSchema(Schema):
    currency = fields.String(required=True)
    balance = Money(required=True)
    interest_rate = fields.Float(required=True)


class TraderSchema(Schema):
    trader_id = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": ["opening", "open", "closed"]})
    accounts = fields.List(fields.Nested(BalanceSchema), required=True)
    api_key = fields.String(metadata={"description": "Of a new trader; it is shown this once."})
    code = fields.String()


class KeySchema(Schema):
    trader_id = fields.String(required=True)
    api_key = fields.String(required=True)


class WantedSchema(Schema):
    currency = fields.String(required=True)
    amount = Money(required=True)


class DepositSchema(Schema):
    id = fields.String(required=True)
    trader_id = fields.String(required=True)
    currency = fields.String(required=True)
    amount = Money(required=True)
    status = fields.String(required=True, metadata={"enum": ["running", "done", "failed"]})
    code = fields.String()


class Percent(fields.Field[float]):
    """An interest rate in percent per year, a number from -50 to 100."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not -50 <= value <= 100:
            raise ValidationError("Must be a number from -50 to 100.")
        return float(value)


class RateSchema(Schema):
    interest_rate = Percent(required=True, metadata={"type": "number", "minimum": -50, "maximum": 100})


class CurrencySchema(Schema):
    code = fields.String(required=True)
    debtor_id = fields.String(required=True)
    issued = Money(required=True)
    interest_rate = fields.Float(required=True)


@traders.post("/traders")
@traders.arguments(NewSchema)
@traders.response(201, TraderSchema)
@traders.alt_response(202, schema=TraderSchema, description="The server has not opened all accounts yet.")
@traders.alt_response(409, schema=None, description="KEY_CONFLICT: the name of somebody who has left")
def make(args: dict[str, Any]) -> Any:
    """Admit a trader, with an account in each currency; the operator does that.

    The key is in the answer, and never shown again.  The same request again has no key.
    """
    access.operator()
    one, trader_id = room(), args["trader_id"]

    def work(session: Session) -> str | None:
        return rotate_key(session, access.owner_name(trader_id)) if admit(session, one, trader_id) else None

    key = one.database.transact(work)
    seen = one.waiting.until(
        bell_of(trader_id), lambda session: _view(session, trader_id), lambda found: found.is_open
    )
    answer = shown(seen) | ({} if key is None else {"api_key": key})
    if seen.is_open:
        return answer
    where = url_for("traders.trader", trader_id=trader_id)
    return answer | {"code": "STILL_RUNNING"}, HTTPStatus.ACCEPTED, {"Location": where}


@traders.get("/accounts")
@traders.response(200, TraderSchema)
def accounts() -> dict[str, Any]:
    """What is on the own accounts."""
    trader_id = access.trader()
    return shown(room().database.transact(lambda session: _view(session, trader_id)))


@traders.get("/traders/<string:trader_id>")
@traders.response(200, TraderSchema)
def trader(trader_id: str) -> dict[str, Any]:
    """What is on the accounts of a trader: the own ones, or any for the operator."""
    access.trader_or_operator(trader_id)
    return shown(room().database.transact(lambda session: _view(session, trader_id)))


@traders.post("/traders/<string:trader_id>/key")
@traders.response(201, KeySchema)
def rotate(trader_id: str) -> dict[str, str]:
    """Get a new key; the one before is worth nothing from now on."""
    access.trader_or_operator(trader_id)

    def work(session: Session) -> str:
        if _view(session, trader_id).is_closed or trader_id == "escrow":
            raise Problem("NOT_FOUND", "There is no such trader.")
        return rotate_key(session, access.owner_name(trader_id))

    return {"trader_id": trader_id, "api_key": room().database.transact(work)}


@traders.delete("/traders/<string:trader_id>")
@traders.response(204)
@traders.alt_response(409, schema=None, description="NOT_EMPTY")
def remove(trader_id: str) -> None:
    """Let a trader go whose accounts are empty; the operator does that."""
    access.operator()
    one = room()

    def work(session: Session) -> None:
        close(session, one, trader_id)
        end_keys(session, access.owner_name(trader_id))
        end_visits_of(session, access.owner_name(trader_id))

    one.database.transact(work)


@traders.post("/traders/<string:trader_id>/deposits")
@traders.arguments(WantedSchema)
@traders.response(201, DepositSchema)
@traders.alt_response(202, schema=DepositSchema, description="It is still running.")
@traders.alt_response(409, schema=None, description="KEY_CONFLICT")
@traders.doc(parameters=[KEY_PARAMETER])
def deposit(args: dict[str, Any], trader_id: str) -> Any:
    """Issue money to a trader; the operator does that."""
    access.operator()
    one, key = room(), idempotency_key()
    if args["amount"] > one.settings.issuing_limit:
        limit = f"There is at most {money.show(one.settings.issuing_limit)} to be issued."
        raise Problem("INVALID_AMOUNT", limit, fields={"amount": limit})
    deposit_id = hashlib.sha256(key.encode()).hexdigest()[:32]
    one.database.transact(lambda session: _issue(session, deposit_id, trader_id, args))
    seen = one.waiting.until(
        deposit_id, lambda session: _deposit(session, deposit_id), lambda found: found["status"] != "running"
    )
    if seen["status"] == "failed":
        raise Problem(refusal_code(seen.pop("outcome")), deposit=seen["id"])
    if seen["status"] == "done":
        return seen
    return seen | {"code": "STILL_RUNNING"}, HTTPStatus.ACCEPTED


@traders.get("/currencies")
@traders.response(200, CurrencySchema(many=True))
def listed() -> list[dict[str, Any]]:
    """The currencies, what is issued of each (told up to a minute late), and their interest rates."""
    access.caller()
    return room().database.transact(_currencies)


@traders.put("/currencies/<string:code>")
@traders.arguments(RateSchema)
@traders.response(202, CurrencySchema)
def configure(args: dict[str, Any], code: str) -> dict[str, Any]:
    """Change the interest rate of a currency, in percent per year; the operator does that.

    Legs that were prepared at the rate before are not committed any more.
    """
    access.operator()
    one = room()

    def work(session: Session) -> dict[str, Any]:
        desk(one, code).set_interest_rate(session, args["interest_rate"])
        return next(found for found in _currencies(session) if found["code"] == code)

    return one.database.transact(work)


def _currencies(session: Session) -> list[dict[str, Any]]:
    found = []
    for code, one in desks(room()).items():
        root = one.account(session, 0)
        data = None if root is None else root.record.data
        found.append(
            {
                "code": code,
                "debtor_id": str(one.debtor_id),
                "issued": 0 if data is None else -data.principal,
                "interest_rate": 0.0 if data is None else data.interest_rate,
            }
        )
    return found


def _issue(session: Session, deposit_id: str, trader_id: str, args: dict[str, Any]) -> None:
    known = session.get(Deposit, deposit_id)
    if known is not None:
        if (known.trader_id, known.currency, known.cents) != (trader_id, args["currency"], args["amount"]):
            raise Problem("KEY_CONFLICT")
        return
    found = session.get(Trader, trader_id, with_for_update={"read": True})
    if found is None or found.closed_at is not None:
        raise Problem("UNKNOWN_RECIPIENT", "There is no such trader.")
    one = desk(room(), args["currency"])
    session.add(
        Deposit(deposit_id=deposit_id, trader_id=trader_id, currency=args["currency"], cents=args["amount"])
    )
    session.flush()
    try:
        one.issue(
            session, f"deposit:{deposit_id}", to=found.creditor_id, cents=args["amount"], note=deposit_id
        )
    except NotReady:
        raise Problem(
            "SERVER_AWAY", "It did not happen: the accounting server has not opened the account yet."
        ) from None


def _deposit(session: Session, deposit_id: str) -> dict[str, Any]:
    found = session.get_one(Deposit, deposit_id)
    status = "running" if not found.outcome else "done" if found.outcome == "OK" else "failed"
    return {
        "id": deposit_id,
        "trader_id": found.trader_id,
        "currency": found.currency,
        "amount": found.cents,
        "status": status,
        "outcome": found.outcome,
    }


def _view(session: Session, trader_id: str) -> View:
    found = view(session, room(), trader_id)
    if found is None:
        raise Problem("NOT_FOUND", "There is no such trader.")
    return found


def shown(seen: View) -> dict[str, Any]:
    """A trader as the schema wants it."""
    return {
        "trader_id": seen.trader_id,
        "status": "closed" if seen.is_closed else "open" if seen.is_open else "opening",
        "accounts": [
            {"currency": code, "balance": cents, "interest_rate": rate} for code, cents, rate in seen.balances
        ],
    }
