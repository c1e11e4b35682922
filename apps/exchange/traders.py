"""Traders: admitted with an account in each currency, and let go when all of them are empty."""

from typing import Final

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from house.desk import Desk, NotEmpty
from house.problems import Problem
from house.room import Room

from .currencies import desks
from .tables import Deposit, Leg, Offer, Trade, Trader

ESCROW: Final = "escrow"
"""The exchange's own accounts, on which money is between pay-in and payout; nobody has a key for them."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A trader as of now."""

    trader_id: str
    balances: tuple[tuple[str, int, float], ...]
    """Currency, cents by the ledger, and the account's interest rate in percent per year."""
    is_open: bool
    is_closed: bool


def admit(session: Session, room: Room, trader_id: str) -> bool:
    """A new trader; False if there is one of this name.  Raises Problem KEY_CONFLICT if that one has left."""
    known = session.get(Trader, trader_id)
    if known is not None:
        if known.closed_at is not None or trader_id == ESCROW:
            taken = "This name is taken."
            raise Problem("KEY_CONFLICT", taken, fields={"trader_id": taken})
        return False
    _make(session, room, trader_id)
    return True


def found_escrow(session: Session, room: Room) -> None:
    """Want the exchange's own accounts.  Twice is harmless."""
    known = session.get(Trader, ESCROW)
    if known is None:
        _make(session, room, ESCROW)


def complete(session: Session, room: Room) -> None:
    """Want accounts in currencies that came later.  Twice is harmless."""
    rows = session.execute(select(Trader.creditor_id).where(Trader.closed_at.is_(None))).scalars().all()
    for creditor_id in rows:
        for one in room.desks:
            if one.account(session, creditor_id) is None:
                one.open(session, creditor_id)


def view(session: Session, room: Room, trader_id: str) -> View | None:
    """A trader, if there is one."""
    found = session.get(Trader, trader_id)
    if found is None:
        return None
    return View(
        trader_id=trader_id,
        balances=tuple(_balance(session, code, one, found.creditor_id) for code, one in desks(room).items()),
        is_open=all(one.is_open(session, found.creditor_id) for one in room.desks),
        is_closed=found.closed_at is not None,
    )


def close(session: Session, room: Room, trader_id: str) -> None:
    """Let somebody go.  Raises Problem NOT_FOUND, and NOT_EMPTY if there is money, on its way as well."""
    wanted = select(Trader).where(Trader.trader_id == trader_id).with_for_update()
    found = session.execute(wanted).scalar_one_or_none()
    if found is None or trader_id == ESCROW:
        raise Problem("NOT_FOUND", "There is no such trader.")
    if found.closed_at is not None:
        return
    for question in (
        select(Offer.offer_id).where(Offer.trader_id == trader_id, Offer.state == "open"),
        select(Deposit.deposit_id).where(Deposit.trader_id == trader_id, Deposit.outcome == ""),
        select(Leg.trade_id)
        .join(Trade)
        .where(or_(Leg.giver == trader_id, Leg.receiver == trader_id), Trade.state.in_(("running", "torn"))),
    ):
        if session.execute(question.limit(1)).first() is not None:
            raise Problem("NOT_EMPTY", "There are open offers, or something is on its way.")
    try:
        for one in room.desks:
            one.close(session, found.creditor_id)
    except NotEmpty:
        raise Problem("NOT_EMPTY") from None
    found.closed_at = session.execute(select(func.now())).scalar_one()


def creditor_of(session: Session, trader_id: str) -> int:
    """What names the accounts of a trader at the accounting server."""
    return session.get_one(Trader, trader_id).creditor_id


def trader_of(session: Session, creditor_id: int) -> str | None:
    """Whose accounts these are."""
    return session.execute(
        select(Trader.trader_id).where(Trader.creditor_id == creditor_id)
    ).scalar_one_or_none()


def bell_of(trader_id: str) -> str:
    """What rings when there is something new of a trader's accounts."""
    return f"trader {trader_id}"


def _make(session: Session, room: Room, trader_id: str) -> None:
    creditor_id = room.desk.new_creditor_id()
    session.add(Trader(trader_id=trader_id, creditor_id=creditor_id))
    session.flush()
    for one in room.desks:
        one.open(session, creditor_id)


def _balance(session: Session, code: str, desk: Desk, creditor_id: int) -> tuple[str, int, float]:
    account = desk.account(session, creditor_id)
    data = None if account is None else account.record.data
    return code, 0 if account is None else account.principal, 0.0 if data is None else data.interest_rate
