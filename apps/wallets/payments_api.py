"""HTTP: balance, deposits, transfers, and what became of them."""

from typing import Any
from uuid import UUID

from flask import url_for
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from house import money
from house.api import KEY_PARAMETER, HouseBlueprint, Money, idempotency_key
from house.problems import Problem
from house.room import room

from .access import caller, caller_id
from .accounts_api import Email
from .paying import Terms, View, begin, client_by_email, outcome, view
from .tables import Payment

CURRENCY = "USD"

payments = HouseBlueprint("payments", __name__, description="Money.")


class BalanceSchema(Schema):
    currency = fields.String(required=True)
    balance = Money(required=True)


class DepositSchema(Schema):
    sum = Money(required=True)
    user_email = Email(load_default=None)


class TransferSchema(Schema):
    user_email = Email(required=True)
    sum = Money(required=True)


class PaymentSchema(Schema):
    id = fields.UUID(required=True)
    kind = fields.String(required=True)
    status = fields.String(required=True)
    is_done = fields.Boolean(required=True)
    sum = Money(required=True)
    payer = fields.String(required=True, allow_none=True)
    payee = fields.String(required=True)
    invoice = fields.UUID(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    code = fields.String()


@payments.get("/balance/")
@payments.response(200, BalanceSchema)
def balance() -> dict[str, Any]:
    """What is in the wallet."""

    def read(session: Session) -> int:
        return room().desk.balance(session, caller(session).creditor_id)

    return {"currency": CURRENCY, "balance": room().database.transact(read)}


@payments.post("/make-deposits/")
@payments.doc(parameters=[KEY_PARAMETER])
@payments.arguments(DepositSchema)
@payments.response(201, PaymentSchema)
def make_deposit(args: dict[str, Any]) -> Any:
    """Put new money into a wallet: of staff's choice, or the own one.  Only staff may, if not all may."""
    one = room()
    me, key = caller_id(), idempotency_key()

    def work(session: Session) -> UUID:
        client = caller(session)
        if not (
            client.is_staff or one.reader.flag("WALLETS_DEPOSITS_BY_ALL", default=one.settings.has_samples)
        ):
            raise Problem("NOT_ALLOWED", "Only staff makes deposits.")
        payee = client if args["user_email"] is None else client_by_email(session, args["user_email"])
        if payee is None:
            raise Problem(
                "UNKNOWN_RECIPIENT", fields={"user_email": "Nobody has a wallet with this address."}
            )
        terms = Terms(kind="deposit", payer_id=None, payee_id=payee.id, cents=args["sum"], begun_by=me)
        return begin(session, one.desk, f"deposit:{me}:{key}", terms)

    return answer(outcome(one, one.database.transact(work)))


@payments.post("/make-transfer/")
@payments.doc(parameters=[KEY_PARAMETER])
@payments.arguments(TransferSchema)
@payments.response(201, PaymentSchema)
def make_transfer(args: dict[str, Any]) -> Any:
    """Pay somebody."""
    one = room()
    me, key = caller_id(), idempotency_key()

    def work(session: Session) -> UUID:
        caller(session)
        payee = client_by_email(session, args["user_email"])
        if payee is None:
            raise Problem(
                "UNKNOWN_RECIPIENT", fields={"user_email": "Nobody has a wallet with this address."}
            )
        if payee.id == me:
            raise Problem("SAME_ACCOUNT", fields={"user_email": "This is you."})
        terms = Terms(kind="transfer", payer_id=me, payee_id=payee.id, cents=args["sum"], begun_by=me)
        return begin(session, one.desk, f"transfer:{me}:{key}", terms)

    return answer(outcome(one, one.database.transact(work)))


@payments.get("/transactions/<uuid:payment_id>/")
@payments.response(200, PaymentSchema)
def transaction(payment_id: UUID) -> dict[str, Any]:
    """One transaction of the own wallet."""

    def read(session: Session) -> View:
        me = caller(session).id
        found = session.get(Payment, payment_id)
        if found is None or me not in (found.payer_id, found.payee_id, found.begun_by):
            raise Problem("NOT_FOUND")
        return view(session, payment_id)

    return shown(room().database.transact(read))


def answer(seen: View) -> Any:
    """201 for what is done, 202 with an address to look at for what is still running."""
    if seen.status == "done":
        return shown(seen)
    where = url_for("payments.transaction", payment_id=seen.id)
    return shown(seen) | {"code": "STILL_RUNNING"}, 202, {"Location": where}


def shown(seen: View) -> dict[str, Any]:
    """A payment as its schema wants it."""
    return {
        "id": seen.id,
        "kind": seen.kind,
        "status": seen.status,
        "is_done": seen.status == "done",
        "sum": seen.cents,
        "payer": seen.payer_email,
        "payee": seen.payee_email,
        "invoice": seen.invoice_id,
        "created_at": seen.created_at,
    }


assert money.MOST_CENTS == 999_999_999, "the documented limit of a sum"
