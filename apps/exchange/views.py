"""What people see of offers and trades: the own tables, and the agent's records of the legs."""

from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from house.room import Room

from .carrying import bundle_key
from .tables import Entry, Leg, Offer, Step, Trade


class TradeOfOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What an offer has to do with a trade."""

    trade_id: str
    state: str
    gives: int
    gets: int
    is_booked: bool
    """What it gets is in its trader's ledger."""
    is_settled: bool
    """The offer has learned how it ended."""


class OfferView(msgspec.Struct, frozen=True, kw_only=True):
    """An offer as of now; amounts in cents."""

    offer_id: str
    trader_id: str
    give: str
    want: str
    cents: int
    open_cents: int
    rate: int
    mode: str
    state: str
    reason: str
    is_due: bool
    created_at: datetime
    trades: tuple[TradeOfOffer, ...]

    @property
    def given(self) -> int:
        """In trades that are done."""
        return sum(one.gives for one in self.trades if one.state == "done")

    @property
    def got(self) -> int:
        """In trades that are done."""
        return sum(one.gets for one in self.trades if one.state == "done")

    @property
    def is_running(self) -> bool:
        """A trade of it is under way, or has failed and what it took is not open again yet."""
        return any(
            one.state == "running" or (one.state == "failed" and not one.is_settled) for one in self.trades
        )

    @property
    def is_resting(self) -> bool:
        """It waits for others, or is over, and what it has brought can be seen in the balances."""
        is_booked = all(one.is_booked for one in self.trades if one.state == "done")
        return not self.is_due and not self.is_running and is_booked

    @property
    def status(self) -> str:
        """open, running, filled, cancelled or refused."""
        if self.state != "matched":
            return self.state
        return "running" if self.is_running else "filled"


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """How far a leg is in one step of its trade: what the transfer that stands for it does."""

    kind: str
    """direct, in, out or back."""
    bundle: str
    """The state of the step's bundle."""
    state: str
    """Of the transfer: initiated, prepared, settled, finished or cancelled."""
    outcome: str
    attempts: int
    failure: str
    is_paid: bool
    is_paid_back: bool


class LegView(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of a trade."""

    number: int
    giver: str
    receiver: str
    currency: str
    cents: int
    refusal: str
    acts: tuple[Act, ...]


class TradeView(msgspec.Struct, frozen=True, kw_only=True):
    """A trade as of now."""

    trade_id: str
    mode: str
    state: str
    reason: str
    created_at: datetime
    ended_at: datetime | None
    steps: tuple[tuple[str, str, str], ...]
    """Kind, state of the bundle, and its reason."""
    legs: tuple[LegView, ...]

    def is_of(self, trader_id: str | None) -> bool:
        """Whether a trader takes part in it."""
        return any(trader_id in (leg.giver, leg.receiver) for leg in self.legs)


def offer_view(session: Session, offer_id: str) -> OfferView | None:
    """An offer, if there is one."""
    found = session.get(Offer, offer_id, populate_existing=True)
    return None if found is None else _offers(session, [found])[0]


def open_offers(session: Session, most: int) -> list[OfferView]:
    """What all offer: the best rate of each pair of currencies first."""
    wanted = select(Offer).where(Offer.state == "open")
    wanted = wanted.order_by(Offer.give, Offer.want, Offer.rate, Offer.number).limit(most)
    return _offers(session, list(session.execute(wanted).scalars()))


def offers_of(session: Session, trader_id: str, most: int) -> list[OfferView]:
    """All offers of somebody, the newest first."""
    wanted = select(Offer).where(Offer.trader_id == trader_id).order_by(Offer.number.desc()).limit(most)
    return _offers(session, list(session.execute(wanted).scalars()))


def trade_view(session: Session, room: Room, trade_id: str) -> TradeView | None:
    """A trade, if there is one."""
    found = session.get(Trade, trade_id, populate_existing=True)
    return None if found is None else _trade(session, room, found)


def trades(session: Session, room: Room, trader_id: str | None, most: int) -> list[TradeView]:
    """The newest trades: of a trader, or of all."""
    wanted = select(Trade).order_by(Trade.created_at.desc(), Trade.trade_id).limit(most)
    if trader_id is not None:
        wanted = wanted.where(Trade.trade_id.in_(select(Leg.trade_id).where(Leg.giver == trader_id)))
    return [_trade(session, room, one) for one in session.execute(wanted).scalars().all()]


def _offers(session: Session, rows: list[Offer]) -> list[OfferView]:
    of_offer: dict[str, list[TradeOfOffer]] = {one.offer_id: [] for one in rows}
    given, received = select(Leg).subquery(), select(Leg).subquery()
    wanted = (
        select(
            given.c.offer_id,
            given.c.trade_id,
            Trade.state,
            given.c.cents,
            received.c.cents,
            select(Entry.number)
            .where(
                Entry.note == received.c.trade_id,
                Entry.trader_id == received.c.receiver,
                Entry.currency == received.c.currency,
                Entry.cents > 0,
            )
            .exists(),
            Trade.is_settled,
        )
        .join(Trade, Trade.trade_id == given.c.trade_id)
        .join(
            received,
            (received.c.trade_id == given.c.trade_id) & (received.c.receiver == given.c.giver),
        )
        .where(given.c.offer_id.in_(of_offer))
        .order_by(Trade.created_at, Trade.trade_id)
    )
    for offer_id, *seen in session.execute(wanted):
        of_offer[offer_id].append(
            TradeOfOffer(**dict(zip(TradeOfOffer.__struct_fields__, seen, strict=True)))
        )
    return [_offer(one, tuple(of_offer[one.offer_id])) for one in rows]


def _offer(row: Offer, its_trades: tuple[TradeOfOffer, ...]) -> OfferView:
    return OfferView(
        offer_id=row.offer_id,
        trader_id=row.trader_id,
        give=row.give,
        want=row.want,
        cents=row.cents,
        open_cents=row.open_cents,
        rate=row.rate,
        mode=row.mode,
        state=row.state,
        reason=row.reason,
        is_due=row.due_at is not None and row.failures == 0,
        created_at=row.created_at,
        trades=its_trades,
    )


def _trade(session: Session, room: Room, row: Trade) -> TradeView:
    of_trade = select(Step).where(Step.trade_id == row.trade_id).order_by(Step.number)
    steps = session.execute(of_trade).scalars().all()
    acts = [_acts(session, room, one) for one in steps]
    wanted = select(Leg).where(Leg.trade_id == row.trade_id).order_by(Leg.number)
    legs = tuple(
        LegView(
            number=one.number,
            giver=one.giver,
            receiver=one.receiver,
            currency=one.currency,
            cents=one.cents,
            refusal=one.refusal,
            acts=tuple(of_step[one.number] for of_step in acts if of_step),
        )
        for one in session.execute(wanted).scalars()
    )
    return TradeView(
        trade_id=row.trade_id,
        mode=row.mode,
        state=row.state,
        reason=row.reason,
        created_at=row.created_at,
        ended_at=row.ended_at,
        steps=tuple((one.kind, one.state or "running", one.reason) for one in steps),
        legs=legs,
    )


def _acts(session: Session, room: Room, step: Step) -> list[Act]:
    """One for each leg; none when the agent has forgotten them, a year later."""
    bundle = room.agent.find_bundle(bundle_key(step.trade_id, step.number), session=session)
    if bundle is None:
        return []
    acts = []
    for status in bundle.status:
        transfer = room.agent.find_transfer(status.transfer_key, session=session)
        acts.append(
            Act(
                kind=step.kind,
                bundle=str(bundle.state),
                state="" if transfer is None else str(transfer.state),
                outcome="" if transfer is None else transfer.outcome,
                attempts=status.attempts,
                failure=status.failure,
                is_paid=status.is_paid,
                is_paid_back=status.is_paid_back,
            )
        )
    return acts
