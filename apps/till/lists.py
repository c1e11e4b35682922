"""Lists: the last purchases, what is bought most, the last recharges and transfers, what should be told."""

from datetime import datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from .answers import View, shown
from .notes import UNDOABLE, Kind
from .rules import OK, Standing
from .tables import Deed, Entry, Holder, Notice, Product

PURCHASES: Final = 100
MOST_BOUGHT: Final = 10
MOST_BOUGHT_DAYS: Final = 30
OTHERS: Final = 10


def purchases(session: Session, who: int) -> list[View]:
    """The last 100, the newest first."""
    return _deeds(session, PURCHASES, Deed.holder_id == who, Deed.kind == Kind.PURCHASE)


def recharges(session: Session, who: int) -> list[View]:
    """The last 10, and payouts among them."""
    return _deeds(session, OTHERS, Deed.holder_id == who, Deed.kind.in_((Kind.RECHARGE, Kind.PAYOUT)))


def transfers(session: Session, who: int) -> list[View]:
    """The last 10, given or received; what was refused only concerns who gave it."""
    is_mine = or_(Deed.holder_id == who, (Deed.other_id == who) & (Deed.outcome == OK))
    return _deeds(session, OTHERS, Deed.kind == Kind.TRANSFER, is_mine)


def _deeds(session: Session, most: int, *conditions: object) -> list[View]:
    wanted = select(Deed).where(*conditions).order_by(Deed.at.desc(), Deed.id).limit(most)  # type: ignore[arg-type]
    return [shown(session, one) for one in session.execute(wanted).scalars()]


class Bought(msgspec.Struct, frozen=True):
    """A product, and how often it was bought."""

    product_id: int
    name: str
    pieces: int


def most_bought(session: Session, now: datetime, who: int | None = None) -> list[Bought]:
    """The 10 that were bought most in 30 days, by somebody or by all."""
    since = now - timedelta(days=MOST_BOUGHT_DAYS)
    pieces = func.count()
    wanted = (
        select(Product.id, Product.name, pieces)
        .join(Deed, Deed.product_id == Product.id)
        .where(Deed.kind == Kind.PURCHASE, Deed.at >= since, Deed.outcome == OK, Deed.undo != "done")
        .group_by(Product.id)
        .order_by(pieces.desc(), func.lower(Product.name))
        .limit(MOST_BOUGHT)
    )
    if who is not None:
        wanted = wanted.where(Deed.holder_id == who)
    return [Bought(*row) for row in session.execute(wanted).all()]


def unread(session: Session, who: int) -> list[Notice]:
    """What somebody should be told."""
    wanted = select(Notice).where(Notice.holder_id == who, Notice.read_at.is_(None))
    return list(session.execute(wanted.order_by(Notice.at)).scalars())


def mark_read(session: Session, who: int, until: int) -> None:
    """Somebody has read the notices up to this one."""
    session.execute(
        update(Notice)
        .where(Notice.holder_id == who, Notice.id <= until, Notice.read_at.is_(None))
        .values(read_at=func.now())
        .execution_options(synchronize_session=False)
    )


def standings(session: Session) -> dict[int, Standing]:
    """What everybody has, by the copies of the ledgers; in one statement, so that it fits together."""
    total = func.coalesce(func.sum(Entry.cents), 0)
    line = func.coalesce(func.sum(Entry.cents).filter(Entry.kind == Kind.LINE), 0)
    wanted = (
        select(Holder.id, total, line)
        .outerjoin(Entry)
        .where(~Holder.is_shop, Holder.closed_at.is_(None))
        .group_by(Holder.id)
    )
    return {
        holder_id: Standing(principal=int(principal), line=int(lent))
        for holder_id, principal, lent in session.execute(wanted)
    }


def owed(session: Session) -> int:
    """What the till owes to all: what would have to be in the box if everybody left."""
    return sum(one.is_owed for one in standings(session).values())


def latest(session: Session, who: int) -> View | None:
    """The newest deed that somebody could undo."""
    found = _deeds(session, 1, Deed.holder_id == who, Deed.kind.in_(UNDOABLE), Deed.outcome == OK)
    return found[0] if found else None
