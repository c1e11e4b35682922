"""Invoices: they move nothing; paying one is a payment, and at most one of these is open or successful."""

from datetime import datetime
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from house.desk import Desk
from house.problems import Problem

from .paying import Terms, begin
from .tables import Client, Invoice, Payment


class InvoiceView(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice as everybody sees who knows its number."""

    id: UUID
    payee_email: str
    cents: int
    created_at: datetime
    status: str
    """open, running or paid."""


def make(session: Session, key: str, payee_id: int, cents: int) -> UUID:
    """The invoice of this key, which is made if it is new.  Raises Problem KEY_CONFLICT."""
    known = session.execute(select(Invoice).where(Invoice.key == key)).scalar_one_or_none()
    if known is not None:
        if known.cents != cents:
            raise Problem("KEY_CONFLICT")
        return known.id
    invoice = Invoice(id=uuid4(), key=key, payee_id=payee_id, cents=cents)
    session.add(invoice)
    session.flush()
    return invoice.id


def view(session: Session, invoice_id: UUID) -> InvoiceView:
    """An invoice as it is now.  Raises Problem UNKNOWN_INVOICE."""
    found = session.get(Invoice, invoice_id)
    if found is None:
        raise Problem("UNKNOWN_INVOICE")
    payee = session.get_one(Client, found.payee_id)
    status = "paid" if found.is_paid else "open" if found.payment_id is None else "running"
    return InvoiceView(
        id=found.id, payee_email=payee.email, cents=found.cents, created_at=found.created_at, status=status
    )


def pay(session: Session, desk: Desk, payer_id: int, invoice_id: UUID) -> UUID:
    """The payment of an invoice: the one that is under way or has paid it, if it is the payer's own.

    The row's lock lets one at a time begin an attempt, under a key of its own; a refused attempt has
    given the invoice free (see `settle`).  Raises Problem UNKNOWN_INVOICE, SAME_ACCOUNT, ALREADY_PAID,
    and what `begin` raises.
    """
    invoice = session.get(Invoice, invoice_id, with_for_update=True)
    if invoice is None:
        raise Problem("UNKNOWN_INVOICE", fields={"uuid": "There is no such invoice."})
    if invoice.payee_id == payer_id:
        raise Problem(
            "SAME_ACCOUNT", "This invoice is your own.", fields={"uuid": "This invoice is your own."}
        )
    if invoice.payment_id is not None:
        return _own_payment(session, invoice, payer_id)
    terms = Terms(
        kind="invoice",
        payer_id=payer_id,
        payee_id=invoice.payee_id,
        cents=invoice.cents,
        invoice_id=invoice.id,
        begun_by=payer_id,
    )
    payment_id = begin(session, desk, f"invoice:{invoice.id}:{invoice.attempts + 1}", terms)
    invoice.attempts += 1
    invoice.payment_id = payment_id
    return payment_id


def _own_payment(session: Session, invoice: Invoice, payer_id: int) -> UUID:
    payment = session.get_one(Payment, invoice.payment_id)
    if payment.payer_id == payer_id:
        return payment.id
    if invoice.is_paid:
        raise Problem("ALREADY_PAID")
    raise Problem(
        "ALREADY_PAID", "Somebody else is paying this invoice at this moment; if that fails, try again."
    )
