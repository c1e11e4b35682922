"""Undo: the money goes back by a transfer of its own, and what was taken from the stock comes back.

At most one attempt is open or has succeeded; the next one begins under the row's lock, after the
transaction that records the failure of the one before.
"""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from house.desk import ROOT, Desk, NotReady
from house.problems import Problem

from .deeds import not_ready
from .notes import Kind, write
from .rules import State, Undoing, undo_key, undoing
from .tables import Deed, Holder, Request


class Attempt(msgspec.Struct, frozen=True):
    """One attempt to undo a deed."""

    deed_id: UUID
    number: int
    is_old: bool = False
    """It had succeeded before anybody asked."""


def begin_undo(
    session: Session, desk: Desk, key: str, who: int, deed_id: UUID, *, now: datetime, minutes: int
) -> Attempt:
    """The attempt that this token stands for, which is begun if it is new.

    Raises Problem NOT_FOUND, NOT_YOURS, KEY_CONFLICT, TOO_LATE, NOTHING_TO_UNDO, NOT_YET, SERVER_AWAY.
    """
    deed = locked_deed(session, deed_id)
    if deed is None:
        raise Problem("NOT_FOUND")
    known = session.get(Request, key)
    if known is not None:
        if known.deed_id != deed_id or not known.attempt:
            raise Problem("KEY_CONFLICT")
        return Attempt(deed_id, known.attempt)
    state = State(
        kind=Kind(deed.kind), holder_id=deed.holder_id, outcome=deed.outcome, undo=deed.undo, at=deed.at
    )
    answer = undoing(state, who=who, now=now, minutes=minutes)
    if answer is Undoing.ALREADY_UNDONE:
        return Attempt(deed_id, deed.attempt, is_old=True)
    if answer is Undoing.BEGIN:
        deed.undo = "open"
        _reverse(session, desk, deed)
    elif answer is not Undoing.IS_RUNNING:
        raise _problem(answer)
    session.add(Request(key=key, deed_id=deed_id, attempt=deed.attempt))
    session.flush()
    return Attempt(deed_id, deed.attempt)


def locked_deed(session: Session, deed_id: UUID) -> Deed | None:
    """A deed that nobody else changes before this transaction ends."""
    wanted = select(Deed).where(Deed.id == deed_id).with_for_update(key_share=True)
    return session.execute(wanted.execution_options(populate_existing=True)).scalar_one_or_none()


def _problem(answer: Undoing) -> Problem:
    return {
        Undoing.NOT_YOURS: Problem("NOT_YOURS"),
        Undoing.TOO_LATE: Problem("TOO_LATE"),
        Undoing.DEED_IS_RUNNING: Problem("NOT_YET"),
        Undoing.NOT_UNDOABLE: Problem("NOTHING_TO_UNDO", "This cannot be undone."),
        Undoing.NOTHING_HAPPENED: Problem("NOTHING_TO_UNDO"),
    }[answer]


def _reverse(session: Session, desk: Desk, deed: Deed) -> None:
    """The transfer back, from whoever got the money to whoever gave it."""
    holder = session.get_one(Holder, deed.holder_id).creditor_id
    other = ROOT if deed.other_id is None else session.get_one(Holder, deed.other_id).creditor_id
    sender, to = (holder, ROOT) if deed.kind == Kind.RECHARGE else (other, holder)
    session.flush()
    try:
        desk.pay(
            session,
            undo_key(deed.id, deed.attempt),
            sender=sender,
            to=to,
            cents=deed.cents,
            note=write(deed.what, deed.id),
            note_format=str(Kind.UNDO),
        )
    except NotReady:
        raise not_ready() from None
