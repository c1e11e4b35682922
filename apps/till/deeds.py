"""Deeds: purchases, recharges, transfers; each is stored with its transfer and its stock in one transaction.

The key is the one-time token that the till gave out; the same token again finds the same deed.
"""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from house import money
from house.desk import Desk, NotReady
from house.problems import Problem

from .holders import present, shop
from .notes import Kind, write
from .rules import OK, day_of, is_over_maximum
from .settings import TillSettings
from .tables import Deed, Holder, Product, Request

NOTHING_MOVED_UNLESS: Final = frozenset({OK, "UNKNOWN", "UNEXPECTED"})
"""Outcomes after which money has moved, or may have; after all others it has not."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; under one token it is the same for ever."""

    kind: Kind
    holder_id: int
    other_id: int | None = None
    product_id: int | None = None
    cents: int


def replay(session: Session, key: str, terms: Terms, what: str | None = None) -> UUID | None:
    """The deed for which the token was used already; None if it is new.

    `what` is the deed's own, if that belongs to the terms.  Raises Problem NOT_YOURS, KEY_CONFLICT.
    """
    known = session.get(Request, key)
    if known is None:
        return None
    deed = session.get_one(Deed, known.deed_id)
    if deed.holder_id != terms.holder_id:
        raise Problem("NOT_YOURS")
    was = Terms(
        kind=Kind(deed.kind),
        holder_id=deed.holder_id,
        other_id=deed.other_id if terms.other_id is not None else None,
        product_id=deed.product_id,
        cents=deed.cents,
    )
    if known.attempt or was != terms or what not in (None, deed.what):
        raise Problem("KEY_CONFLICT")
    return deed.id


def add(session: Session, key: str, terms: Terms, what: str) -> Deed:
    """A new deed.  Somebody with the same token is waited for; who comes second begins anew, and finds it."""
    deed = Deed(id=uuid4(), key=key, what=what, **msgspec.structs.asdict(terms))
    session.add(deed)
    session.flush()
    session.add(Request(key=key, deed_id=deed.id))
    session.flush()
    return deed


def buy(session: Session, desk: Desk, key: str, who: int, product_id: int, shown_cents: int) -> UUID:
    """Buy a product for the price that was shown; its stock falls by one.

    Raises Problem UNKNOWN_PRODUCT, PRICE_CHANGED, SERVER_AWAY and those of `replay`.
    """
    terms = Terms(kind=Kind.PURCHASE, holder_id=who, product_id=product_id, cents=shown_cents)
    if (known := replay(session, key, terms)) is not None:
        return known
    buyer, seller = present(session, who), shop(session, desk)
    product = session.get(Product, product_id)
    if product is None or product.removed_at is not None:
        raise Problem("UNKNOWN_PRODUCT")
    deed = add(session, key, msgspec.structs.replace(terms, other_id=seller.id), product.name)
    pay(session, desk, deed, buyer, seller)
    # Last, because others wait for the row.  The price is compared here: it may have changed meanwhile.
    taken = session.execute(
        update(Product)
        .where(Product.id == product_id, Product.cents == shown_cents, Product.removed_at.is_(None))
        .values(stock=Product.stock - 1)
        .execution_options(synchronize_session=False)
    )
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        session.refresh(product)
        raise Problem(
            "PRICE_CHANGED",
            f"It did not happen: “{product.name}” costs {money.show_for_people(product.cents)} now.",
            price=money.show(product.cents),
        )
    return deed.id


def recharge(
    session: Session, desk: Desk, settings: TillSettings, key: str, who: int, cents: int, now: datetime
) -> UUID:
    """Money that somebody has put into the box.  Raises Problem DAILY_MAXIMUM, SERVER_AWAY."""
    terms = Terms(kind=Kind.RECHARGE, holder_id=who, cents=cents)
    if (known := replay(session, key, terms)) is not None:
        return known
    holder = present(session, who, is_locked=True)
    today = recharged_on(session, settings, who, now)
    if is_over_maximum(today, cents, settings.daily_recharge):
        most, had = (money.show_for_people(one) for one in (settings.daily_recharge, today))
        raise Problem(
            "DAILY_MAXIMUM",
            f"It did not happen: at most {most} can be recharged a day, and today it was {had} already.",
        )
    deed = add(session, key, terms, "recharge")
    issue(session, desk, deed, holder)
    return deed.id


def recharged_on(session: Session, settings: TillSettings, who: int, now: datetime) -> int:
    """What somebody has recharged on the day of a moment, or may have, and has not undone."""
    begin, end = day_of(now, settings.zone)
    wanted = select(func.coalesce(func.sum(Deed.cents), 0)).where(
        Deed.holder_id == who,
        Deed.kind == Kind.RECHARGE,
        Deed.at >= begin,
        Deed.at < end,
        Deed.outcome.in_(("", *NOTHING_MOVED_UNLESS)),
        Deed.undo != "done",
    )
    return int(session.execute(wanted).scalar_one())


def give(session: Session, desk: Desk, key: str, who: int, other_id: int, cents: int, what: str) -> UUID:
    """Money for somebody else.  Raises Problem SAME_ACCOUNT, UNKNOWN_RECIPIENT, SERVER_AWAY."""
    terms = Terms(kind=Kind.TRANSFER, holder_id=who, other_id=other_id, cents=cents)
    if (known := replay(session, key, terms, what)) is not None:
        return known
    if who == other_id:
        raise Problem("SAME_ACCOUNT")
    # In the order of their ids, lest two who pay each other wait for each other.
    people = {one: present(session, one, code="UNKNOWN_RECIPIENT") for one in sorted((who, other_id))}
    deed = add(session, key, terms, what)
    pay(session, desk, deed, people[who], people[other_id])
    return deed.id


def pay(session: Session, desk: Desk, deed: Deed, sender: Holder, to: Holder | None) -> None:
    """The transfer of a deed; to None: out of the world.  Raises Problem SERVER_AWAY."""
    try:
        desk.pay(
            session,
            deed.key,
            sender=sender.creditor_id,
            to=0 if to is None else to.creditor_id,
            cents=abs(deed.cents),
            note=write(deed.what, deed.id),
            note_format=str(deed.kind),
        )
    except NotReady:
        raise not_ready() from None


def issue(session: Session, desk: Desk, deed: Deed, to: Holder) -> None:
    """New money for a deed.  Raises Problem SERVER_AWAY."""
    try:
        desk.issue(
            session,
            deed.key,
            to=to.creditor_id,
            cents=deed.cents,
            note=write(deed.what, deed.id),
            note_format=str(deed.kind),
        )
    except NotReady:
        raise not_ready() from None


def not_ready() -> Problem:
    """An account is so new that the accounting server has not opened it yet."""
    return Problem(
        "SERVER_AWAY", "It did not happen: the accounting server has not opened the account yet. Try again."
    )
