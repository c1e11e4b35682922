"""Clients: registered with one wallet each, in one transaction; closed when they leave."""

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from house.desk import Desk, NotEmpty
from house.problems import Problem
from house.visits import end_visits_of

from .tables import Client, Invoice, Payment


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants a wallet."""

    email: str
    password_hash: str
    first_name: str
    last_name: str
    is_staff: bool = False


def client_by_email(session: Session, email: str) -> Client | None:
    """A client who has not left."""
    wanted = select(Client).where(Client.email == email.lower(), Client.closed_at.is_(None))
    return session.execute(wanted).scalar_one_or_none()


def register(session: Session, desk: Desk, person: Person) -> Client:
    """A new client, and the account of the wallet: both or none.  The e-mail address must be free."""
    client = Client(**msgspec.structs.asdict(person), creditor_id=desk.new_creditor_id())
    session.add(client)
    session.flush()
    desk.open(session, client.creditor_id)
    return client


def leave(session: Session, desk: Desk, client: Client) -> None:
    """Close a wallet, for ever; its history stays.

    Raises Problem NOT_EMPTY while there is money in it, or a payment under way.
    """
    # Whoever begins a payment locks its parties, so none begins meanwhile.
    session.refresh(client, with_for_update=True)
    parties = or_(Payment.payer_id == client.id, Payment.payee_id == client.id)
    if session.execute(select(Payment.id).where(parties, Payment.outcome == "").limit(1)).first():
        raise Problem("NOT_EMPTY", "A payment is under way; try again when it has ended.")
    try:
        desk.close(session, client.creditor_id)
    except NotEmpty:
        raise Problem("NOT_EMPTY", "There is money in the wallet: pay it to somebody first.") from None
    client.closed_at = func.now()
    for invoice in session.scalars(select(Invoice).where(Invoice.payee_id == client.id, ~Invoice.is_paid)):
        session.delete(invoice)
    end_visits_of(session, f"staff:{client.email}")
