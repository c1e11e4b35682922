"""What became of deeds and of attempts to undo them: looked at, and waited for."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house.desk import refusal_code
from house.problems import Problem
from house.room import Room

from .notes import Kind
from .rules import OK
from .tables import Deed, Entry, Holder, Request
from .undoing import Attempt

_PARTIES = {Kind.PURCHASE: 2, Kind.TRANSFER: 2}


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A deed as its parties see it."""

    id: UUID
    kind: Kind
    holder_id: int
    holder: str
    other_id: int | None
    other: str
    product_id: int | None
    what: str
    cents: int
    at: datetime
    outcome: str
    undo: str
    undo_refusal: str
    is_booked: bool = True
    """It is in the ledgers of its parties."""

    @property
    def status(self) -> str:
        """running, done, refused, undoing or undone."""
        if self.undo:
            return {"open": "undoing", "done": "undone"}[self.undo]
        return {"": "running", OK: "done"}.get(self.outcome, "refused")

    @property
    def is_over(self) -> bool:
        """Nothing more is to be waited for."""
        return bool(self.outcome) and (self.outcome != OK or self.is_booked)


def shown(session: Session, deed: Deed) -> View:
    """A deed with the names of its parties."""
    other = None if deed.other_id is None else session.get_one(Holder, deed.other_id)
    fields = (
        "id",
        "holder_id",
        "other_id",
        "product_id",
        "what",
        "cents",
        "at",
        "outcome",
        "undo",
        "undo_refusal",
    )
    return View(
        kind=Kind(deed.kind),
        holder=session.get_one(Holder, deed.holder_id).name,
        other="" if other is None else other.name,
        **{name: getattr(deed, name) for name in (*fields, "undo", "undo_refusal")},
    )


def view(session: Session, deed_id: UUID) -> View:
    """A deed as it is now, and whether it is in all ledgers."""
    found = shown(session, session.get_one(Deed, deed_id))
    parties = _PARTIES.get(found.kind, 1)
    wanted = select(func.count()).where(Entry.deed_id == deed_id, Entry.kind == found.kind)
    count = session.execute(wanted.select_from(Entry)).scalar_one()
    return msgspec.structs.replace(found, is_booked=count >= parties)


def outcome(room: Room, deed_id: UUID) -> View:
    """A deed when it is over, or as it is after two seconds; raises Problem if it was refused."""
    seen = room.waiting.until(str(deed_id), lambda session: view(session, deed_id), lambda one: one.is_over)
    if seen.status == "refused":
        raise refusal(seen)
    return seen


def refusal(seen: View) -> Problem:
    """What is to be said of a deed that was refused."""
    code = refusal_code(seen.outcome)
    sentence = "It did not happen, and nothing has moved"
    if code == "INSUFFICIENT_FUNDS":
        sentence += {
            Kind.LINE: ": the line is in use. It can be lowered when the person has recharged.",
            Kind.PAYOUT: ": there is not enough money on the account.",
        }.get(seen.kind, ": there is not enough money. Recharge first.")
    else:
        sentence += ": the accounting server has refused it."
    return Problem(code, sentence, outcome=seen.outcome, id=str(seen.id))


class UndoView(msgspec.Struct, frozen=True, kw_only=True):
    """A deed, and how one attempt to undo it has ended."""

    deed: View
    outcome: str
    is_booked: bool

    @property
    def is_over(self) -> bool:
        """Nothing more is to be waited for."""
        return bool(self.outcome) and (self.outcome != OK or self.is_booked)


def undo_view(session: Session, attempt: Attempt) -> UndoView:
    """An attempt as it is now."""
    # The outcome first: what is read after it is at least as new.
    found = select(func.max(Request.outcome)).where(
        Request.deed_id == attempt.deed_id, Request.attempt == attempt.number
    )
    ended = session.execute(found).scalar() or ""
    deed = view(session, attempt.deed_id)
    wanted = select(func.count()).where(Entry.deed_id == deed.id, Entry.kind == Kind.UNDO)
    count = session.execute(wanted.select_from(Entry)).scalar_one()
    return UndoView(deed=deed, outcome=ended, is_booked=count >= _PARTIES.get(deed.kind, 1))


def undo_outcome(room: Room, attempt: Attempt) -> UndoView:
    """An attempt when it is over, or as it is after two seconds; raises Problem if it was refused."""
    seen = room.waiting.until(
        str(attempt.deed_id), lambda session: undo_view(session, attempt), lambda one: one.is_over
    )
    if seen.outcome in ("", OK):
        return seen
    code = refusal_code(seen.outcome)
    whose = seen.deed.other if seen.deed.kind == Kind.TRANSFER else "you"
    sentence = "It was not undone, and nothing has moved"
    sentence += (
        f": the money is gone, {whose} {'have' if whose == 'you' else 'has'} spent it already."
        if code == "INSUFFICIENT_FUNDS"
        else ": the accounting server has refused it."
    )
    raise Problem(code, sentence, outcome=seen.outcome, id=str(seen.deed.id))
