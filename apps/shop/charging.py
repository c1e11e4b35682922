"""Sales to phone numbers: from the seller's account to airtime, with the number as the note."""

from datetime import datetime
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from house.desk import Desk, NotReady, refusal_code
from house.problems import Problem

from .sellers import account_of, airtime
from .tables import Charge

NOTE_FORMAT = "tel"


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A sale as it is now."""

    id: UUID
    seller_id: int
    phone_number: str
    cents: int
    outcome: str
    created_at: datetime
    ended_at: datetime | None

    @property
    def status(self) -> str:
        """pending, completed or failed."""
        return {"": "pending", "OK": "completed"}.get(self.outcome, "failed")

    @property
    def code(self) -> str:
        """Why it failed; empty if it did not."""
        return refusal_code(self.outcome) if self.status == "failed" else ""


def begin(session: Session, desk: Desk, key: str, seller_id: int, phone_number: str, cents: int) -> UUID:
    """The sale of this key, which is begun if it is new.

    Raises Problem KEY_CONFLICT for other terms, SERVER_AWAY if an account is not there yet: then nothing
    is stored.
    """
    known = session.execute(select(Charge).where(Charge.key == key)).scalar_one_or_none()
    if known is not None:
        if (known.phone_number, known.cents) != (phone_number, cents):
            raise Problem("KEY_CONFLICT")
        return known.id
    seller = account_of(session, seller_id)
    made = Charge(id=uuid4(), key=key, seller_id=seller_id, phone_number=phone_number, cents=cents)
    session.add(made)
    # Here somebody else with the same key is waited for; whoever comes second begins anew and finds it.
    session.flush()
    try:
        desk.pay(
            session,
            key,
            sender=seller,
            to=airtime(session, desk),
            cents=cents,
            note=phone_number,
            note_format=NOTE_FORMAT,
        )
    except NotReady:
        raise Problem(
            "SERVER_AWAY",
            "It did not happen: the accounting server has not opened the account yet. Try again.",
        ) from None
    return made.id


def view(session: Session, charge_id: UUID) -> View | None:
    """A sale, if there is one."""
    row = session.get(Charge, charge_id)
    if row is None:
        return None
    return View(
        id=row.id,
        seller_id=row.seller_id,
        phone_number=row.phone_number,
        cents=row.cents,
        outcome=row.outcome,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
