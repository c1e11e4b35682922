"""Who has an account: people and the shop; opened with it in one transaction, and closed with it."""

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.orm import Session

from house.desk import Desk, NotEmpty
from house.passwords import hash_password
from house.problems import Problem

from .notes import MOST_CHARACTERS, Kind
from .rules import Standing
from .tables import Card, Deed, Entry, Holder, UnknownCard

SHOP_NAME = "the shop"


def present(session: Session, holder_id: int, *, code: str = "NOT_KNOWN", is_locked: bool = False) -> Holder:
    """Somebody who has not left, and does not leave before this transaction ends.

    With `is_locked` nobody else is here for this person at the same time.  Raises Problem with `code`.
    """
    wanted = select(Holder).where(Holder.id == holder_id, Holder.closed_at.is_(None))
    locked = wanted.with_for_update(read=not is_locked, key_share=True)
    found = session.execute(locked.execution_options(populate_existing=True)).scalar_one_or_none()
    if found is None:
        raise Problem(code, "This person is not here, or has left.")
    return found


def shop(session: Session, desk: Desk) -> Holder:
    """The shop, which is founded when it is asked for first."""
    found = session.execute(select(Holder).where(Holder.is_shop)).scalar_one_or_none()
    return found or _add(session, desk, Holder(name=SHOP_NAME, is_shop=True))


def admit(session: Session, desk: Desk, name: str, password: str | None = None) -> int:
    """A new person with an account.  Raises Problem NAME_TAKEN."""
    if is_name_taken(session, name):
        raise Problem("NAME_TAKEN")
    hashed = None if password is None else hash_password(password)
    return _add(session, desk, Holder(name=name, password_hash=hashed)).id


def is_name_taken(session: Session, name: str) -> bool:
    """Whether somebody who has not left is called so."""
    return person_by_name(session, name) is not None or name.lower() == SHOP_NAME


def _add(session: Session, desk: Desk, holder: Holder) -> Holder:
    holder.creditor_id = desk.new_creditor_id()
    session.add(holder)
    session.flush()
    desk.open(session, holder.creditor_id)
    return holder


def person_by_name(session: Session, name: str) -> Holder | None:
    """A person who has not left."""
    wanted = select(Holder).where(
        func.lower(Holder.name) == name.strip().lower(), Holder.closed_at.is_(None), ~Holder.is_shop
    )
    return session.execute(wanted).scalar_one_or_none()


def person_by_card(session: Session, code: str) -> Holder | None:
    """Whose card, or barcode, it is."""
    wanted = select(Holder).join(Card).where(Card.code == code, Holder.closed_at.is_(None))
    return session.execute(wanted).scalar_one_or_none()


def person_by_any(session: Session, text: str) -> Holder | None:
    """Somebody by name, by card, or by id."""
    found = person_by_name(session, text) or person_by_card(session, text)
    if found is None and text.isascii() and text.isdigit() and len(text) < 19:
        wanted = select(Holder).where(Holder.id == int(text), Holder.closed_at.is_(None), ~Holder.is_shop)
        found = session.execute(wanted).scalar_one_or_none()
    return found


def people(session: Session) -> list[Holder]:
    """All who have not left, by name."""
    wanted = select(Holder).where(Holder.closed_at.is_(None), ~Holder.is_shop)
    return list(session.execute(wanted.order_by(func.lower(Holder.name))).scalars())


def remember_card(session: Session, code: str) -> None:
    """A card that is nobody's: its owner can be told within a day."""
    session.execute(delete(UnknownCard).where(or_(UnknownCard.code == code, _is_old())))
    session.add(UnknownCard(code=code[:MOST_CHARACTERS]))


def unknown_cards(session: Session) -> list[UnknownCard]:
    """Cards of the last day that are nobody's, the newest first."""
    wanted = select(UnknownCard).where(~_is_old()).order_by(UnknownCard.seen_at.desc())
    return list(session.execute(wanted).scalars())


def _is_old() -> ColumnElement[bool]:
    return UnknownCard.seen_at < func.now() - func.make_interval(0, 0, 0, 1)


def line_of(session: Session, holder_id: int) -> int:
    """How far below zero somebody may be: the sum of the ledger's entries that set the line."""
    wanted = select(func.coalesce(func.sum(Entry.cents), 0)).where(
        Entry.holder_id == holder_id, Entry.kind == Kind.LINE
    )
    return int(session.execute(wanted).scalar_one())


def standing(session: Session, desk: Desk, holder: Holder) -> Standing:
    """What somebody has, by the ledger."""
    return Standing(principal=desk.balance(session, holder.creditor_id), line=line_of(session, holder.id))


def close(session: Session, desk: Desk, holder_id: int) -> None:
    """Let a person leave: the account is closed, name, password and cards are forgotten.

    Raises Problem NOT_EMPTY as long as there is money, a line, or something under way.
    """
    wanted = select(Holder).where(Holder.id == holder_id, Holder.closed_at.is_(None), ~Holder.is_shop)
    locked = wanted.with_for_update().execution_options(populate_existing=True)
    holder = session.execute(locked).scalar_one_or_none()
    if holder is None:
        raise Problem("NOT_FOUND")
    is_party = or_(Deed.holder_id == holder_id, Deed.other_id == holder_id)
    is_open = or_(Deed.outcome == "", Deed.undo == "open")
    running = session.execute(select(func.count()).select_from(Deed).where(is_party, is_open)).scalar_one()
    if running:
        raise Problem("NOT_EMPTY", "Something is still under way for this person; wait a moment.")
    try:
        desk.close(session, holder.creditor_id)
    except NotEmpty:
        raise Problem("NOT_EMPTY") from None
    session.execute(delete(Card).where(Card.holder_id == holder_id))
    holder.name = f"somebody who has left ({holder.id})"
    holder.password_hash = None
    holder.closed_at = datetime.now(UTC)
