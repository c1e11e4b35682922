"""Payments: asked for by a client, carried out by the accounting server, told by news.

A payment, the transfer that the agent is to make, and whatever else belongs to it are stored in one
transaction.  Its key is the agent's key: the same request again finds the same payment.
"""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house.desk import Desk, NotReady, refusal_code
from house.problems import Problem
from house.room import Room
from swpt_client.news import EntriesAppended, TransferFinished
from swpt_client.records import Entry as LedgerEntry

from .tables import Client, Entry, Invoice, Payment


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to be paid; under one key it is the same for ever."""

    kind: str
    payer_id: int | None
    payee_id: int
    cents: int
    invoice_id: UUID | None = None
    begun_by: int


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as its parties see it."""

    id: UUID
    kind: str
    cents: int
    payer_email: str | None
    payee_email: str
    invoice_id: UUID | None
    created_at: datetime
    outcome: str
    is_booked: bool
    """It is in the ledgers of its parties."""

    @property
    def status(self) -> str:
        """running, done or refused."""
        return {"": "running", "OK": "done"}.get(self.outcome, "refused")

    @property
    def is_over(self) -> bool:
        """Nothing more is to be waited for."""
        return self.status == "refused" or (self.status == "done" and self.is_booked)


def begin(session: Session, desk: Desk, key: str, terms: Terms) -> UUID:
    """The payment of this key, which is begun if it is new.

    Raises Problem KEY_CONFLICT for other terms under a known key, SERVER_AWAY if a wallet is not there
    yet: then nothing is stored.
    """
    known = session.execute(select(Payment).where(Payment.key == key)).scalar_one_or_none()
    if known is not None:
        if terms_of(known) != terms:
            raise Problem("KEY_CONFLICT")
        return known.id
    accounts = _open_accounts(session, terms)
    payment = Payment(id=uuid4(), key=key, **msgspec.structs.asdict(terms))
    session.add(payment)
    # Here somebody else with the same key is waited for; whoever comes second begins anew and finds it.
    session.flush()
    try:
        if terms.payer_id is None:
            desk.issue(session, key, to=accounts[terms.payee_id], cents=terms.cents, note=str(payment.id))
        else:
            desk.pay(
                session,
                key,
                sender=accounts[terms.payer_id],
                to=accounts[terms.payee_id],
                cents=terms.cents,
                note=str(payment.id),
            )
    except NotReady:
        raise Problem(
            "SERVER_AWAY",
            "It did not happen: the accounting server has not opened the wallet yet. Try again.",
        ) from None
    return payment.id


def _open_accounts(session: Session, terms: Terms) -> dict[int, int]:
    """The creditor ids of the parties, who do not leave until this is stored."""
    parties = [one for one in (terms.payer_id, terms.payee_id) if one is not None]
    wanted = (
        select(Client.id, Client.creditor_id)
        .where(Client.id.in_(parties), Client.closed_at.is_(None))
        .order_by(Client.id)
        .with_for_update(read=True, key_share=True)
    )
    found = {row.id: row.creditor_id for row in session.execute(wanted)}
    if len(found) < len(parties):
        raise Problem("UNKNOWN_RECIPIENT", "The wallet is closed.")
    return found


def terms_of(payment: Payment) -> Terms:
    """What was asked for."""
    return Terms(
        kind=payment.kind,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        cents=payment.cents,
        invoice_id=payment.invoice_id,
        begun_by=payment.begun_by,
    )


def view(session: Session, payment_id: UUID) -> View:
    """A payment as it is now."""
    payment = session.get_one(Payment, payment_id)
    payer = None if payment.payer_id is None else session.get_one(Client, payment.payer_id)
    payee = session.get_one(Client, payment.payee_id)
    parties = 1 if payer is None else 2
    wanted = select(Entry.number).where(Entry.payment_id == payment_id).limit(parties)
    return View(
        id=payment.id,
        kind=payment.kind,
        cents=payment.cents,
        payer_email=None if payer is None else payer.email,
        payee_email=payee.email,
        invoice_id=payment.invoice_id,
        created_at=payment.created_at,
        outcome=payment.outcome,
        is_booked=len(session.execute(wanted).all()) == parties,
    )


def settle(session: Session, invoice_id: UUID, payment: Payment) -> None:
    """What the end of a payment means for its invoice: it is paid, or open for the next attempt."""
    invoice = session.get_one(Invoice, invoice_id, with_for_update=True)
    assert invoice.payment_id == payment.id, "one attempt at a time"
    if payment.outcome == "OK":
        invoice.is_paid = True
    else:
        invoice.payment_id = None


def outcome(room: Room, payment_id: UUID) -> View:
    """A payment when it is over, or as it is after a moment; raises Problem if it was refused."""
    seen = room.waiting.until(
        str(payment_id), lambda session: view(session, payment_id), lambda one: one.is_over
    )
    if seen.status == "refused":
        raise Problem(refusal_code(seen.outcome), outcome=seen.outcome, id=str(payment_id))
    return seen


def hear(room: Room) -> None:
    """Keep payments and entries up to date with what the accounting server tells."""
    agent = room.agent

    @agent.on(TransferFinished)
    def finished(session: Session, news: TransferFinished) -> None:
        payment = session.execute(
            select(Payment).where(Payment.key == news.transfer.key).with_for_update()
        ).scalar_one_or_none()
        if payment is None:
            return
        payment.outcome = news.transfer.outcome
        payment.ended_at = func.now()
        if payment.invoice_id is not None:
            settle(session, payment.invoice_id, payment)
        room.bells.ring(session, str(payment.id))

    @agent.on(EntriesAppended)
    def appended(session: Session, news: EntriesAppended) -> None:
        creditor_id = news.ledger.account.creditor_id
        client = session.execute(
            select(Client.id).where(Client.creditor_id == creditor_id)
        ).scalar_one_or_none()
        if client is None:
            return
        for one in news.entries:
            payment_id = _payment_of(one)
            session.add(
                Entry(
                    client_id=client,
                    ledger_date=one.ledger.creation_date,
                    number=one.number,
                    cents=one.acquired_amount,
                    balance=one.principal,
                    payment_id=payment_id,
                    at=_moment_of(one),
                )
            )
            if payment_id is not None:
                room.bells.ring(session, str(payment_id))


def _payment_of(entry: LedgerEntry) -> UUID | None:
    """Whose entry it is: our notes are payments' ids; what others write is nobody's."""
    try:
        return None if entry.transfer is None else UUID(entry.transfer.transfer_note)
    except ValueError:
        return None


def _moment_of(entry: LedgerEntry) -> datetime:
    microseconds = entry.added_at if entry.transfer is None else entry.transfer.committed_at
    return datetime.fromtimestamp(microseconds / 1e6, UTC)
