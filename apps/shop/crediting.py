"""Requests for credit: made by sellers, decided once by an administrator, issued when they are approved."""

from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from house.desk import Desk, NotReady
from house.problems import Problem

from .sellers import account_of
from .tables import PENDING, CreditRequest, Seller

APPROVED: Final = "approved"
REJECTED: Final = "rejected"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it is now."""

    id: int
    seller: str
    seller_id: int
    cents: int
    status: str
    issuing: str
    created_at: datetime
    decided_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Nothing more is to be waited for."""
        return self.status == REJECTED or bool(self.issuing)


def ask(session: Session, key: str, seller_id: int, cents: int) -> int:
    """The request of this key, which is made if it is new.  Raises Problem KEY_CONFLICT for another sum."""
    known = session.execute(select(CreditRequest).where(CreditRequest.key == key)).scalar_one_or_none()
    if known is not None:
        if known.cents != cents:
            raise Problem("KEY_CONFLICT")
        return known.id
    account_of(session, seller_id)
    made = CreditRequest(key=key, seller_id=seller_id, cents=cents)
    session.add(made)
    session.flush()
    return made.id


def decide(session: Session, desk: Desk, request_id: int, decision: str, admin_id: int) -> None:
    """Approve or reject a request; the same decision again changes nothing.

    Raises Problem NOT_FOUND, ALREADY_DECIDED if it was decided otherwise, SERVER_AWAY if the account is
    not there yet: then nothing is stored.
    """
    wanted = select(CreditRequest).where(CreditRequest.id == request_id).with_for_update()
    found = session.execute(wanted).scalar_one_or_none()
    if found is None:
        raise Problem("NOT_FOUND", "There is no such request.")
    if found.status == decision:
        return
    if found.status != PENDING:
        raise Problem("ALREADY_DECIDED", f"It was {found.status} before.")
    found.status, found.decided_by = decision, admin_id
    found.decided_at = session.execute(select(func.now())).scalar_one()
    if decision == REJECTED:
        return
    seller = account_of(session, found.seller_id)
    try:
        desk.issue(session, key_of(request_id), to=seller, cents=found.cents, note_format="credit")
    except NotReady:
        raise Problem(
            "SERVER_AWAY",
            "It did not happen: the accounting server has not opened the account yet. Try again.",
        ) from None


def key_of(request_id: int) -> str:
    """The key of what is issued for a request."""
    return f"credit:{request_id}"


def view(session: Session, request_id: int) -> View | None:
    """A request, if there is one."""
    found = session.execute(_all().where(CreditRequest.id == request_id)).one_or_none()
    return None if found is None else _view(found[0], found[1])


def pages(
    session: Session, *, status: str | None, seller_id: int | None, before: int, most: int
) -> list[View]:
    """Requests with an id below `before`, the newest first."""
    wanted = _all().where(CreditRequest.id < before).order_by(CreditRequest.id.desc()).limit(most)
    if status is not None:
        wanted = wanted.where(CreditRequest.status == status)
    if seller_id is not None:
        wanted = wanted.where(CreditRequest.seller_id == seller_id)
    return [_view(row, seller) for row, seller in session.execute(wanted)]


def waiting(session: Session, most: int) -> list[View]:
    """What is to be decided, the oldest first."""
    wanted = _all().where(CreditRequest.status == PENDING).order_by(CreditRequest.id).limit(most)
    return [_view(row, seller) for row, seller in session.execute(wanted)]


def decided(session: Session, *, before: int, most: int) -> list[View]:
    """What was approved or rejected, with an id below `before`, the newest first."""
    wanted = _all().where(CreditRequest.id < before, CreditRequest.status != PENDING)
    newest_first = wanted.order_by(CreditRequest.id.desc()).limit(most)
    return [_view(row, seller) for row, seller in session.execute(newest_first)]


def _all() -> Select[CreditRequest, str]:
    return select(CreditRequest, Seller.username).join(Seller, Seller.id == CreditRequest.seller_id)


def _view(row: CreditRequest, seller: str) -> View:
    return View(
        id=row.id,
        seller=seller,
        seller_id=row.seller_id,
        cents=row.cents,
        status=row.status,
        issuing=row.issuing,
        created_at=row.created_at,
        decided_at=row.decided_at,
    )
