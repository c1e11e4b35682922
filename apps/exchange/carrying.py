"""Trades: begun with their first bundle, and carried on until all or nothing has moved."""

import secrets
from datetime import timedelta
from logging import getLogger
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house.desk import NotReady
from house.room import Room
from swpt_client.errors import Refused
from swpt_client.moments import SECOND
from swpt_client.records import Bundle, BundleState, Outcome
from swpt_client.records import Leg as BundleLeg

from .currencies import desk
from .legs import make_leg
from .matching import Ring
from .settings import decide_seconds, repair_seconds
from .steps import first_step, next_step
from .tables import Leg, Step, Trade, Trader
from .traders import ESCROW, creditor_of

_PREFIX: Final = "trade:"
_RETRY_SECONDS: Final = 60
_SOON_SECONDS: Final = 2
_THEIRS: Final = frozenset({"INSUFFICIENT_AVAILABLE_AMOUNT", "SENDER_IS_UNREACHABLE", "TOO_MANY_TRANSFERS"})
"""Outcomes of a leg that speak against the offer behind it."""
_logger = getLogger(__name__)


def begin(session: Session, room: Room, ring: Ring, mode: str) -> str:
    """A new trade, and its first bundle.  Raises NotReady, Refused: then the rows must be undone."""
    trade_id = secrets.token_hex(10)
    session.add(Trade(trade_id=trade_id, mode=mode, state="running"))
    session.flush()
    for number, part in enumerate(ring):
        session.add(
            Leg(
                trade_id=trade_id,
                number=number,
                offer_id=part.offer.id,
                giver=part.offer.trader,
                receiver=ring[number - 1].offer.trader,
                currency=part.offer.give,
                cents=part.amount,
            )
        )
    session.flush()
    _begin_step(session, room, trade_id, 1, first_step(mode))
    return trade_id


def trade_of(bundle_key: str) -> tuple[str, int] | None:
    """The trade and the number of its step that a bundle stands for."""
    if not bundle_key.startswith(_PREFIX):
        return None
    trade_id, _, number = bundle_key.removeprefix(_PREFIX).partition(":")
    return trade_id, int(number)


def bundle_key(trade_id: str, number: int) -> str:
    """The key of the bundle of a step."""
    return f"{_PREFIX}{trade_id}:{number}"


def bell_of(trade_id: str) -> str:
    """What rings when there is something new of a trade."""
    return f"trade {trade_id}"


def carry_on(session: Session, room: Room, bundle: Bundle) -> None:
    """A bundle of ours has ended: note it down, and begin what follows."""
    found = trade_of(bundle.key)
    if found is None:
        return
    trade_id, number = found
    trade = session.get_one(Trade, trade_id)
    step = session.get_one(Step, (trade_id, number))
    step.state, step.reason, step.ended_at = str(bundle.state), bundle.reason, func.now()
    if step.kind in ("direct", "in"):
        _note_refusals(session, room, trade_id, bundle)
    following = next_step(step.kind, bundle.state)
    trade.state = following.trade
    if bundle.state is not BundleState.DONE:
        trade.reason = _reason(session, room, bundle)
    if following.trade != "running":
        trade.ended_at = func.now()
        if following.trade == "torn":
            _logger.error("Trade %s is torn: a part has moved, and a person has to look at it.", trade_id)
    elif following.is_later:
        trade.retry_at = func.now() + timedelta(seconds=_RETRY_SECONDS)
    else:
        # By the next round: a refusal must not undo what was noted down here.
        session.flush()
        _try_step(session, room, trade, number + 1, following.step)
    room.bells.ring(session, bell_of(trade_id))
    for offer_id in session.execute(select(Leg.offer_id).where(Leg.trade_id == trade_id)).scalars():
        room.bells.ring(session, f"offer {offer_id}")


def retry(session: Session, room: Room) -> None:
    """Begin the steps whose time has come."""
    wanted = select(Trade).where(Trade.retry_at <= func.now()).limit(50).with_for_update(skip_locked=True)
    for trade in session.execute(wanted).scalars().all():
        newest = select(Step).where(Step.trade_id == trade.trade_id).order_by(Step.number.desc()).limit(1)
        last = session.execute(newest).scalar_one()
        trade.retry_at = None
        following = next_step(last.kind, BundleState(last.state))
        _try_step(session, room, trade, last.number + 1, following.step)


def _try_step(session: Session, room: Room, trade: Trade, number: int, kind: str) -> None:
    try:
        _begin_step(session, room, trade.trade_id, number, kind)
    except (Refused, NotReady) as error:
        _logger.warning("Trade %s: %s waits (%s).", trade.trade_id, kind, error)
        trade.retry_at = func.now() + timedelta(seconds=_SOON_SECONDS)


def _begin_step(session: Session, room: Room, trade_id: str, number: int, kind: str) -> None:
    wanted = select(Leg).where(Leg.trade_id == trade_id).order_by(Leg.number)
    legs = [_leg(session, room, one, kind) for one in session.execute(wanted).scalars().all()]
    room.agent.bundle(
        bundle_key(trade_id, number),
        legs,
        decide_within=decide_seconds(room.reader),
        repair_for=repair_seconds(room.reader),
        session=session,
    )
    session.add(Step(trade_id=trade_id, number=number, kind=kind))
    session.flush()


def _leg(session: Session, room: Room, leg: Leg, kind: str) -> BundleLeg:
    """From whom to whom, in this step."""
    giver, receiver = {
        "direct": (leg.giver, leg.receiver),
        "in": (leg.giver, ESCROW),
        "out": (ESCROW, leg.receiver),
        "back": (ESCROW, leg.giver),
    }[kind]
    one = desk(room, leg.currency)
    if session.get(Trader, ESCROW) is None:
        raise NotReady("the accounts of the exchange are not open yet")
    sender, recipient = (creditor_of(session, name) for name in (giver, receiver))
    account, other = one.account(session, sender), one.account(session, recipient)
    if account is None or account.record.data is None or other is None or not other.account_id:
        raise NotReady(f"an account of {giver} or {receiver} is not open yet")
    margin = room.agent.policy.timers.commit_margin // SECOND
    return make_leg(
        debtor_id=one.debtor_id,
        sender=sender,
        data=account.record.data,
        recipient=other.account_id,
        cents=leg.cents,
        note=leg.trade_id,
        coordinator_id=creditor_of(session, ESCROW),
        certain_seconds=decide_seconds(room.reader) + margin,
        payback=(recipient, account.account_id) if kind == "in" else None,
    )


def _note_refusals(session: Session, room: Room, trade_id: str, bundle: Bundle) -> None:
    for number, status in enumerate(bundle.status):
        transfer = room.agent.find_transfer(status.transfer_key, session=session)
        outcome = status.failure or ("" if transfer is None else transfer.outcome)
        if outcome in _THEIRS:
            session.get_one(Leg, (trade_id, number)).refusal = outcome


def _reason(session: Session, room: Room, bundle: Bundle) -> str:
    """Why it came to nothing: of the whole, or else of the first leg that failed."""
    if bundle.reason:
        return bundle.reason
    for status in bundle.status:
        transfer = room.agent.find_transfer(status.transfer_key, session=session)
        outcome = status.failure or ("" if transfer is None else transfer.outcome)
        if outcome not in ("", str(Outcome.OK)):
            return outcome
    return str(bundle.state)
