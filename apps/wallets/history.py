"""The history of a wallet: what has moved, from the ledger; what has not, from invoices and open payments."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, Text, case, cast, func, literal, null, select, union_all
from sqlalchemy.orm import Session, aliased

from .tables import Client, Entry, Invoice, Payment


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a history."""

    id: UUID | None
    """Of the payment or the invoice; None for what is neither."""
    kind: str
    """deposit, transfer, invoice, or other."""
    status: str
    """done, running or open."""
    cents: int
    """What has come (> 0) or gone (< 0), or would."""
    balance: int | None
    """After it."""
    other: str | None
    """The other party's e-mail address."""
    at: datetime

    @property
    def is_done(self) -> bool:
        """The money has moved."""
        return self.status == "done"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a history, the newest first."""

    count: int
    """Of all pages."""
    lines: tuple[Line, ...]


def read_page(session: Session, client_id: int, *, is_done: bool | None, page: int, size: int) -> Page:
    """A page of the own history: what is done, what is not, or both."""
    parts = []
    if is_done is not False:
        parts.append(_entries(client_id))
    if is_done is not True:
        parts += [_running(client_id), _open_invoices(client_id)]
    both = union_all(*parts).subquery()
    count = session.execute(select(func.count()).select_from(both)).scalar_one()
    wanted = select(both).order_by(both.c.at.desc(), both.c.number.desc(), both.c.id)
    rows = session.execute(wanted.limit(size).offset((page - 1) * size))
    names = ("id", "kind", "status", "cents", "balance", "other", "at")
    return Page(
        count=count, lines=tuple(Line(**{name: getattr(row, name) for name in names}) for row in rows)
    )


def _entries(client_id: int) -> "Select[*tuple[Any, ...]]":
    payer, payee = aliased(Client), aliased(Client)
    is_mine = (Payment.payer_id == client_id) | (Payment.payee_id == client_id)
    other = case((Payment.payer_id == client_id, payee.email), else_=payer.email)
    return (
        select(
            Payment.id.label("id"),
            func.coalesce(Payment.kind, "other").label("kind"),
            literal("done").label("status"),
            Entry.cents.label("cents"),
            Entry.balance.label("balance"),
            other.label("other"),
            Entry.at.label("at"),
            Entry.number.label("number"),
        )
        .select_from(Entry)
        # What somebody else wrote into a note must not show a payment of others.
        .outerjoin(Payment, (Payment.id == Entry.payment_id) & is_mine)
        .outerjoin(payer, payer.id == Payment.payer_id)
        .outerjoin(payee, payee.id == Payment.payee_id)
        .where(Entry.client_id == client_id)
    )


def _running(client_id: int) -> "Select[*tuple[Any, ...]]":
    payer, payee = aliased(Client), aliased(Client)
    is_payer = Payment.payer_id == client_id
    return (
        select(
            Payment.id.label("id"),
            Payment.kind.label("kind"),
            literal("running").label("status"),
            case((is_payer, -Payment.cents), else_=Payment.cents).label("cents"),
            null().label("balance"),
            case((is_payer, payee.email), else_=payer.email).label("other"),
            Payment.created_at.label("at"),
            literal(0).label("number"),
        )
        .outerjoin(payer, payer.id == Payment.payer_id)
        .join(payee, payee.id == Payment.payee_id)
        .where((Payment.outcome == "") & (is_payer | (Payment.payee_id == client_id)))
    )


def _open_invoices(client_id: int) -> "Select[*tuple[Any, ...]]":
    return select(
        Invoice.id.label("id"),
        literal("invoice").label("kind"),
        literal("open").label("status"),
        Invoice.cents.label("cents"),
        null().label("balance"),
        cast(null(), Text).label("other"),
        Invoice.created_at.label("at"),
        literal(0).label("number"),
    ).where(Invoice.payee_id == client_id, Invoice.payment_id.is_(None))
