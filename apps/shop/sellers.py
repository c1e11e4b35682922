"""Sellers with an account each, administrators without, and the account of airtime."""

from typing import Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house.desk import Desk, NotEmpty
from house.problems import Problem
from house.visits import end_visits_of

from .tables import Airtime, Charge, CreditRequest, Seller

ADMIN: Final = "admin"
"""The kind of visitor that an administrator is."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to sell, or administers."""

    username: str
    password_hash: str
    name: str
    is_admin: bool = False


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A person as it is now."""

    id: int
    username: str
    name: str
    password_hash: str
    is_admin: bool
    is_closed: bool
    creditor_id: int | None
    """None for an administrator."""


def register(session: Session, desk: Desk, person: Person) -> View:
    """A new person, and the account: both or none.  Raises Problem USERNAME_TAKEN."""
    if find(session, person.username) is not None:
        raise Problem("USERNAME_TAKEN", fields={"username": "Somebody was quicker with this name."})
    creditor_id = None if person.is_admin else desk.new_creditor_id()
    session.add(Seller(**msgspec.structs.asdict(person), creditor_id=creditor_id))
    session.flush()
    if creditor_id is not None:
        desk.open(session, creditor_id)
        airtime(session, desk)
    found = find(session, person.username)
    assert found is not None
    return found


def find(session: Session, username: str) -> View | None:
    """Somebody by name."""
    wanted = select(Seller).where(Seller.username == username)
    row = session.execute(wanted).scalar_one_or_none()
    return None if row is None else _view(row)


def page(session: Session, *, after: str, most: int) -> list[View]:
    """Sellers by name, from one name on."""
    wanted = select(Seller).where(Seller.creditor_id.is_not(None), Seller.username > after)
    rows = session.execute(wanted.order_by(Seller.username).limit(most)).scalars()
    return [_view(row) for row in rows]


def _view(row: Seller) -> View:
    return View(
        id=row.id,
        username=row.username,
        name=row.name,
        password_hash=row.password_hash,
        is_admin=row.is_admin,
        is_closed=row.closed_at is not None,
        creditor_id=row.creditor_id,
    )


def account_of(session: Session, seller_id: int) -> int:
    """The creditor id of a seller."""
    creditor_id = session.get_one(Seller, seller_id).creditor_id
    if creditor_id is None:
        raise Problem("NOT_ALLOWED", "An administrator sells nothing.")
    return creditor_id


def airtime(session: Session, desk: Desk) -> int:
    """The creditor id of the account that sales are paid to; it is opened when it is wanted first."""
    found = session.get(Airtime, 1)
    if found is None:
        found = Airtime(id=1, creditor_id=desk.new_creditor_id())
        session.add(found)
        # Here somebody else who does the same is waited for; whoever comes second begins anew.
        session.flush()
        desk.open(session, found.creditor_id)
    return found.creditor_id


def close(session: Session, desk: Desk, username: str) -> None:
    """Remove a seller.  Raises Problem NOT_FOUND, and NOT_EMPTY if there is credit, on its way as well."""
    wanted = select(Seller).where(Seller.username == username).with_for_update()
    row = session.execute(wanted).scalar_one_or_none()
    if row is None:
        raise Problem("NOT_FOUND", "There is no such person.")
    if row.closed_at is not None:
        return
    running = select(Charge.id).where(Charge.seller_id == row.id, Charge.outcome == "")
    issuing = select(CreditRequest.id).where(
        CreditRequest.seller_id == row.id, CreditRequest.status == "approved", CreditRequest.issuing == ""
    )
    if session.execute(running.limit(1)).first() or session.execute(issuing.limit(1)).first():
        raise Problem("NOT_EMPTY", "Something is on its way from or to this account.")
    if row.creditor_id is not None:
        try:
            desk.close(session, row.creditor_id)
        except NotEmpty:
            raise Problem("NOT_EMPTY") from None
    row.closed_at = session.execute(select(func.now())).scalar_one()
    end_visits_of(session, visitor_name(username))


def visitor_name(username: str) -> str:
    """The name under which an administrator visits pages (see `house.visits`)."""
    return f"{ADMIN}:{username}"
