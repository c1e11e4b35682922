"""Lines of credit: issued in advance, so that the accounting server itself keeps the limit.

A line of 10.00 is 10.00 of money that was issued to a person with the note format `line`; the person
sees the balance without it.  It is lowered by paying it back, which the server refuses exactly while it
is in use.  Each change is a deed, and stays.
"""

from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from house import money
from house.desk import Desk
from house.problems import Problem

from .deeds import Terms, add, issue, pay, replay
from .holders import line_of, present
from .notes import Kind
from .rules import OK
from .tables import Deed, Entry


def set_line(session: Session, desk: Desk, key: str, holder_id: int, cents: int) -> UUID | None:
    """Let somebody be so many cents below zero; None if it is so already.

    Raises Problem NOT_YET while another change is under way, SERVER_AWAY, KEY_CONFLICT.
    """
    holder = present(session, holder_id, is_locked=True, code="NOT_FOUND")
    if (known := _known(session, key, holder_id, cents)) is not None:
        return known
    if _is_changing(session, holder_id):
        raise Problem("NOT_YET", "It did not happen: the line is being changed already; wait a moment.")
    line = line_of(session, holder_id)
    if cents == line:
        return None
    terms = Terms(kind=Kind.LINE, holder_id=holder_id, cents=cents - line)
    deed = add(session, key, terms, f"line {money.show(line)}{_to(cents)}")
    if cents > line:
        issue(session, desk, deed, holder)
    else:
        pay(session, desk, deed, holder, None)
    return deed.id


def _to(cents: int) -> str:
    return f" > {money.show(cents)}"


def _known(session: Session, key: str, holder_id: int, cents: int) -> UUID | None:
    """What the token was used for.  How far the line moved depends on where it was: its end is compared."""
    found = session.execute(select(Deed.cents, Deed.what).where(Deed.key == key)).one_or_none()
    moved = 0 if found is None else found.cents
    known = replay(session, key, Terms(kind=Kind.LINE, holder_id=holder_id, cents=moved))
    if found is not None and not found.what.endswith(_to(cents)):
        raise Problem("KEY_CONFLICT")
    return known


def pay_out(session: Session, desk: Desk, key: str, holder_id: int, cents: int) -> UUID:
    """Money that somebody was given out of the box.  Raises Problem SERVER_AWAY, KEY_CONFLICT."""
    terms = Terms(kind=Kind.PAYOUT, holder_id=holder_id, cents=cents)
    if (known := replay(session, key, terms)) is not None:
        return known
    holder = present(session, holder_id, is_locked=True, code="NOT_FOUND")
    deed = add(session, key, terms, "paid out")
    pay(session, desk, deed, holder, None)
    return deed.id


def _is_changing(session: Session, holder_id: int) -> bool:
    """A change is under way, or its entry has not come yet: the line is not known for sure."""
    has_entry = select(Entry.number).where(Entry.deed_id == Deed.id, Entry.holder_id == holder_id).exists()
    wanted = select(func.count()).where(
        Deed.holder_id == holder_id,
        Deed.kind == Kind.LINE,
        or_(Deed.outcome == "", (Deed.outcome == OK) & ~has_entry),
    )
    return bool(session.execute(wanted.select_from(Deed)).scalar_one())


def trace(session: Session, holder_id: int) -> list[Deed]:
    """All changes of somebody's line, the newest first."""
    wanted = select(Deed).where(Deed.holder_id == holder_id, Deed.kind == Kind.LINE)
    return list(session.execute(wanted.order_by(Deed.at.desc())).scalars())
