"""The book: offers are placed, matched, taken back, and learn how their trades ended.

Whoever changes what is open of an offer holds the lock of the book, and takes it before anything else.
Those who hear from the accounting server note down the ends of trades and never touch offers, so that
nobody waits in a circle; `settle` carries the ends over.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from logging import getLogger
from typing import Final

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from house.desk import NotReady
from house.problems import Problem
from house.room import Room
from swpt_client.errors import Refused

from . import matching
from .carrying import begin, retry
from .currencies import desk
from .steps import DIRECT, ESCROW
from .tables import Leg, Offer, Trade, Trader

LOCK: Final = 0x45584348
"""The lock of the book, among those of the database."""
_CANDIDATES: Final = 16
"""So many offers of each pair of currencies are looked at, the best ones."""
_AT_ONCE: Final = 50
_LONGEST_REST_SECONDS: Final = 3600
_SOON_SECONDS: Final = 2
_logger = getLogger(__name__)

_BEST: Final = text("""\
SELECT offer_id FROM (
    SELECT offer_id, row_number() OVER (PARTITION BY give, want ORDER BY rate, number) AS place
    FROM exchange_offer
    WHERE state = 'open' AND (due_at IS NULL OR due_at <= now())
) AS ranked WHERE place <= :most
""")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is offered."""

    give: str
    want: str
    cents: int
    rate: int
    mode: str


def place(session: Session, room: Room, trader_id: str, request_key: str, terms: Terms) -> str:
    """Store an offer; gives its id.  The same key with the same terms is the same offer.

    Nothing is locked: whether the money is there is seen when others have been found.  Raises Problem
    KEY_CONFLICT, UNKNOWN_CURRENCY, SAME_CURRENCY, NEGATIVE_RATE, and SERVER_AWAY if an account is not there.
    """
    # Who is let go meanwhile waits for this.
    wanted = select(Trader).where(Trader.trader_id == trader_id).with_for_update(read=True)
    trader = session.execute(wanted).scalar_one()
    of_key = select(Offer).where(Offer.trader_id == trader_id, Offer.request_key == request_key)
    known = session.execute(of_key).scalar_one_or_none()
    if known is not None:
        if _terms(known) != terms:
            raise Problem("KEY_CONFLICT")
        return known.offer_id
    if trader.closed_at is not None:
        raise Problem("NOT_KNOWN", "This trader has left.")
    if terms.give == terms.want:
        raise Problem("SAME_CURRENCY", fields={"want": "is what is given."})
    for code in (terms.give, terms.want):
        _check_account(session, room, code, trader.creditor_id, terms.mode)
    offer = Offer(
        offer_id=secrets.token_hex(10),
        trader_id=trader_id,
        request_key=request_key,
        open_cents=terms.cents,
        state="open",
        due_at=func.now(),
        **msgspec.structs.asdict(terms),
    )
    session.add(offer)
    session.flush()
    return offer.offer_id


def cancel(session: Session, trader_id: str, offer_id: str) -> None:
    """Take back what is in no trade yet.  Raises Problem NOT_FOUND, NOT_YOURS, TOO_LATE; twice is fine.

    A trade that has failed keeps nothing: its end is carried over before the offer is looked at.
    """
    _lock(session)
    _settle(session)
    offer = session.get(Offer, offer_id, with_for_update=True)
    if offer is None:
        raise Problem("NOT_FOUND", "There is no such offer.")
    if offer.trader_id != trader_id:
        raise Problem("NOT_YOURS")
    if offer.state == "matched":
        raise Problem("TOO_LATE", "All of it is in trades already.")
    if offer.state == "open":
        offer.state, offer.due_at = "cancelled", None


def has_work(session: Session) -> bool:
    """Whether `work` would find something to do."""
    questions = (
        select(Offer.offer_id).where(Offer.state == "open", Offer.due_at <= func.now()),
        select(Trade.trade_id).where(~Trade.is_settled, Trade.state != "running"),
        select(Trade.trade_id).where(Trade.retry_at <= func.now()),
    )
    return any(session.execute(one.limit(1)).first() is not None for one in questions)


def work(session: Session, room: Room) -> None:
    """Carry over the ends of trades, begin steps that have waited, and match offers that are due."""
    _lock(session)
    _settle(session)
    retry(session, room)
    due = select(Offer).where(Offer.state == "open", Offer.due_at <= func.now()).order_by(Offer.number)
    for offer in session.execute(due.limit(_AT_ONCE)).scalars().all():
        _match(session, room, offer)


def _match(session: Session, room: Room, newest: Offer) -> None:
    """Find others for an offer as long as there are any; afterwards it waits for them."""
    while newest.state == "open":
        session.flush()
        book = _book(session)
        rows = {one.offer_id: one for one in book}
        wanted = _offer(newest)
        ring = matching.find_ring(wanted, [_offer(one) for one in book if one is not newest])
        if ring is None:
            newest.due_at = None
            break
        rows[newest.offer_id] = newest
        parts = [(rows[part.offer.id], part.amount) for part in ring]
        mode = ESCROW if any(row.mode == ESCROW for row, _ in parts) else DIRECT
        try:
            with session.begin_nested():
                begin(session, room, ring, mode)
        except (Refused, NotReady) as error:
            _logger.warning("Offer %s waits (%s).", newest.offer_id, error)
            newest.due_at = func.now() + timedelta(seconds=_SOON_SECONDS)
            break
        for row, cents in parts:
            row.open_cents -= cents
            assert row.open_cents >= 0, "nobody gives more than offered"
            if row.open_cents == 0:
                row.state, row.due_at = "matched", None


def _settle(session: Session) -> None:
    """Tell the offers how their trades have ended."""
    ended = select(Trade).where(~Trade.is_settled, Trade.state != "running").limit(_AT_ONCE)
    for trade in session.execute(ended.with_for_update()).scalars().all():
        trade.is_settled = True
        for leg in session.execute(select(Leg).where(Leg.trade_id == trade.trade_id)).scalars():
            offer = session.get_one(Offer, leg.offer_id)
            if trade.state == "done":
                offer.failures = 0
            elif trade.state == "failed":
                _give_back(offer, leg)
    session.flush()


def _give_back(offer: Offer, leg: Leg) -> None:
    """The part of an offer that a trade has not moved is open again, unless its trader could not pay."""
    offer.open_cents += leg.cents
    if offer.state not in ("open", "matched"):
        return
    if leg.refusal:
        offer.state, offer.reason, offer.due_at = "refused", leg.refusal, None
        return
    rest = min(2**offer.failures, _LONGEST_REST_SECONDS) if offer.failures < 20 else _LONGEST_REST_SECONDS
    offer.failures += 1
    offer.state, offer.due_at = "open", func.now() + timedelta(seconds=rest)


def _check_account(session: Session, room: Room, code: str, creditor_id: int, mode: str) -> None:
    account = desk(room, code).account(session, creditor_id)
    if account is None or account.record.data is None:
        raise Problem(
            "SERVER_AWAY", "It did not happen: the accounting server has not opened the account yet."
        )
    if mode == ESCROW and account.record.data.interest_rate < 0.0:
        raise Problem("NEGATIVE_RATE", f"{code} loses value: it would shrink in escrow. Offer it directly.")


def _book(session: Session) -> Sequence[Offer]:
    best = session.execute(_BEST, {"most": _CANDIDATES}).scalars().all()
    return session.execute(select(Offer).where(Offer.offer_id.in_(best))).scalars().all()


def _offer(row: Offer) -> matching.Offer:
    return matching.Offer(
        id=row.offer_id,
        number=row.number,
        trader=row.trader_id,
        give=row.give,
        want=row.want,
        amount=row.open_cents,
        rate=row.rate,
    )


def _terms(row: Offer) -> Terms:
    return Terms(give=row.give, want=row.want, cents=row.cents, rate=row.rate, mode=row.mode)


def _lock(session: Session) -> None:
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
