"""HTTP: balance, deposits, transfers, invoices, and what became of them."""

from typing import Any, Final
from uuid import UUID

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from house.api import KEY_PARAMETER, HouseBlueprint, idempotency_key
from house.desk import refusal_code
from house.problems import Problem
from house.room import Room, room

from . import invoices
from .access import caller, caller_id
from .history import read_page
from .invoices import InvoiceView
from .paying import Terms, View, begin, outcome, view
from .schemas import (
    BalanceSchema,
    DepositSchema,
    HistoryQuery,
    HistorySchema,
    InvoiceRequestSchema,
    InvoiceSchema,
    PayInvoiceSchema,
    PaymentSchema,
    TransferSchema,
)
from .tables import Client, Invoice, Payment

DEPOSITS_BY_ALL: Final = "WALLETS_DEPOSITS_BY_ALL"
"""A setting: everybody may make deposits, for trying out."""
_CURRENCY: Final = "WALLETS_CURRENCY"
"""A setting: what the currency is called."""

payments = HouseBlueprint("payments", __name__, description="Money.")


def all_may_deposit(one: Room) -> bool:
    """Whether everybody may.  Raises SettingsError for a setting that says neither."""
    return one.reader.flag(DEPOSITS_BY_ALL, default=False)


@payments.get("/balance/")
@payments.response(200, BalanceSchema)
def balance() -> dict[str, Any]:
    """What is in the wallet."""

    def read(session: Session) -> int:
        return room().desk.balance(session, caller(session).creditor_id)

    return {"currency": room().reader.text(_CURRENCY, "EUR"), "balance": room().database.transact(read)}


@payments.post("/make-deposits/")
@payments.doc(parameters=[KEY_PARAMETER])
@payments.arguments(DepositSchema)
@payments.response(201, PaymentSchema)
@payments.alt_response(202, schema=PaymentSchema, description="It is still running: look at its address.")
@payments.alt_response(400, schema=None, description="UNKNOWN_RECIPIENT, INVALID_AMOUNT, KEY_CONFLICT")
@payments.alt_response(403, schema=None, description="NOT_ALLOWED")
def make_deposit(args: dict[str, Any]) -> Any:
    """Put new money into a wallet: the named one, or the own.  Only staff may."""
    one = room()
    me, key = caller_id(), idempotency_key()

    def work(session: Session) -> UUID:
        client = caller(session)
        if not (client.is_staff or all_may_deposit(one)):
            raise Problem("NOT_ALLOWED", "Only staff makes deposits.")
        payee = client if args["user_email"] is None else _recipient(session, args["user_email"])
        terms = Terms(kind="deposit", payer_id=None, payee_id=payee.id, cents=args["sum"], begun_by=me)
        return begin(session, one.desk, f"deposit:{me}:{key}", terms)

    return _answer(outcome(one, one.database.transact(work)))


@payments.post("/make-transfer/")
@payments.doc(parameters=[KEY_PARAMETER])
@payments.arguments(TransferSchema)
@payments.response(201, PaymentSchema)
@payments.alt_response(202, schema=PaymentSchema, description="It is still running: look at its address.")
@payments.alt_response(
    400,
    schema=None,
    description="INSUFFICIENT_FUNDS, SAME_ACCOUNT, UNKNOWN_RECIPIENT, INVALID_AMOUNT, KEY_CONFLICT",
)
def make_transfer(args: dict[str, Any]) -> Any:
    """Pay somebody."""
    one = room()
    me, key = caller_id(), idempotency_key()

    def work(session: Session) -> UUID:
        caller(session)
        payee = _recipient(session, args["user_email"])
        if payee.id == me:
            raise Problem("SAME_ACCOUNT", fields={"user_email": "This is you."})
        terms = Terms(kind="transfer", payer_id=me, payee_id=payee.id, cents=args["sum"], begun_by=me)
        return begin(session, one.desk, f"transfer:{me}:{key}", terms)

    return _answer(outcome(one, one.database.transact(work)))


def _recipient(session: Session, email: str) -> Client:
    """Whose address it is; also of one who has left, to whom something may have been paid under this key."""
    found = session.execute(select(Client).where(Client.email == email)).scalar_one_or_none()
    if found is None:
        raise Problem("UNKNOWN_RECIPIENT", fields={"user_email": "Nobody has a wallet with this address."})
    return found


@payments.post("/create-invoice/")
@payments.doc(parameters=[KEY_PARAMETER])
@payments.arguments(InvoiceRequestSchema)
@payments.response(201, InvoiceSchema)
@payments.alt_response(400, schema=None, description="INVALID_AMOUNT, KEY_CONFLICT")
def create_invoice(args: dict[str, Any]) -> dict[str, Any]:
    """Ask to be paid: whoever gets the number can pay it.  It moves nothing."""
    me, key = caller_id(), idempotency_key()

    def work(session: Session) -> InvoiceView:
        caller(session)
        return invoices.view(session, invoices.make(session, f"{me}:{key}", me, args["sum"]))

    return _shown_invoice(room().database.transact(work))


@payments.post("/pay-invoice/")
@payments.arguments(PayInvoiceSchema)
@payments.response(201, PaymentSchema)
@payments.alt_response(202, schema=PaymentSchema, description="It is still running: look at its address.")
@payments.alt_response(
    400, schema=None, description="UNKNOWN_INVOICE, ALREADY_PAID, SAME_ACCOUNT, INSUFFICIENT_FUNDS"
)
def pay_invoice(args: dict[str, Any]) -> Any:
    """Pay an invoice.  It is paid once, however often this is asked; if it was refused, ask again later."""
    one = room()

    def work(session: Session) -> UUID:
        return invoices.pay(session, one.desk, caller(session).id, args["uuid"])

    return _answer(outcome(one, one.database.transact(work)))


@payments.get("/transactions/")
@payments.arguments(HistoryQuery, location="query")
@payments.response(200, HistorySchema)
def transactions(args: dict[str, Any]) -> dict[str, Any]:
    """The own history, the newest first: what has moved, open invoices, and what is under way."""

    def read(session: Session) -> Any:
        return read_page(
            session, caller(session).id, is_done=args["is_done"], page=args["page"], size=args["page_size"]
        )

    page = room().database.transact(read)
    return {"count": page.count, "results": page.lines}


@payments.get("/transactions/<uuid:transaction_id>/")
@payments.response(200, PaymentSchema)
@payments.alt_response(404, schema=None, description="NOT_FOUND")
def transaction(transaction_id: UUID) -> Any:
    """One transaction of the own wallet: a payment, or an invoice that nobody has paid."""

    def read(session: Session) -> dict[str, Any]:
        me = caller(session).id
        payment = session.get(Payment, transaction_id)
        if payment is not None and me in (payment.payer_id, payment.payee_id, payment.begun_by):
            return _shown(view(session, transaction_id))
        invoice = session.get(Invoice, transaction_id)
        if invoice is None or invoice.payee_id != me:
            raise Problem("NOT_FOUND", "There is no such transaction of yours.")
        if invoice.payment_id is not None:
            return _shown(view(session, invoice.payment_id))
        return _shown_invoice(invoices.view(session, transaction_id)) | {"payer": None, "invoice": invoice.id}

    return room().database.transact(read)


def _answer(seen: View) -> Any:
    """201 for what is done, 202 with an address to look at for what is still running."""
    if seen.status == "done":
        return _shown(seen)
    where = url_for("payments.transaction", transaction_id=seen.id)
    return _shown(seen), 202, {"Location": where}


def _shown(seen: View) -> dict[str, Any]:
    shown = {
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
    if seen.status == "running":
        shown["code"] = "STILL_RUNNING"
    elif seen.status == "refused":
        shown["code"] = refusal_code(seen.outcome)
    return shown


def _shown_invoice(seen: InvoiceView) -> dict[str, Any]:
    return {
        "id": seen.id,
        "kind": "invoice",
        "status": seen.status,
        "is_done": seen.status == "paid",
        "sum": seen.cents,
        "payee": seen.payee_email,
        "created_at": seen.created_at,
    }
