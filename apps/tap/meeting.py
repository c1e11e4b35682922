"""Where the halves of a tap meet: stored under the lock of their tap, and begun when there are two."""

from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from house.desk import Desk, NotReady
from house.problems import Problem

from . import numbers
from .matching import OTHER, HalfTap, compare
from .tables import Account, Entry, Half, Tap

ALONE_SECONDS: Final = 300


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A tap as it is now."""

    key: str
    state: str
    errors: tuple[int, ...]
    outcome: str
    halves: tuple[HalfTap, ...]
    created_at: datetime
    ended_at: datetime | None
    is_booked: bool
    """It is in the ledgers of its parties."""

    @property
    def is_waiting(self) -> bool:
        """Only one half is there."""
        return self.state == "waiting"

    @property
    def is_over(self) -> bool:
        """The outcome is known."""
        return self.state in ("done", "failed")

    @property
    def is_settled(self) -> bool:
        """The outcome is known, and can be seen in the balances."""
        return self.state == "failed" or (self.state == "done" and self.is_booked)

    @property
    def cents(self) -> int:
        """The amount, as the payer has it, if the payer has said it."""
        return (self.side("send") or self.halves[0]).cents

    def side(self, side: str) -> HalfTap | None:
        """One of the two halves."""
        return next((one for one in self.halves if one.side == side), None)


def take(session: Session, desk: Desk, key: str, half: HalfTap, alone_seconds: int) -> None:
    """Store a half; if it is the second one, compare both, and begin the transfer if they agree.

    The same half again changes nothing.  Raises Problem KEY_CONFLICT for another half of the same side,
    SERVER_AWAY if an account is not there yet: then nothing is stored.
    """
    session.execute(insert(Tap).values(key=key, state="waiting").on_conflict_do_nothing())
    tap = session.execute(select(Tap).where(Tap.key == key).with_for_update()).scalar_one()
    known = _halves(session, key)
    if half.side in known:
        if known[half.side] != half:
            raise Problem("KEY_CONFLICT", "This half was sent before, with other terms.")
        return
    session.add(Half(key=key, **msgspec.structs.asdict(half)))
    session.flush()
    other = known.get(OTHER[half.side])
    if other is None:
        return
    end_lonely(session, alone_seconds, Tap.key == key)
    session.refresh(tap)
    if tap.state == "waiting":
        _match(session, desk, tap, half, other)


def end_lonely(session: Session, alone_seconds: int, which: ColumnElement[bool] | None = None) -> list[str]:
    """End taps whose other half has not come in time; gives their keys."""
    is_late = Tap.created_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, alone_seconds)
    # By a clock that was ahead, and is right again, a half would wait as long as the clock was ahead.
    is_of_later = Tap.created_at > func.now() + text("interval '1 hour'")
    ended = (
        update(Tap)
        .where(Tap.state == "waiting", is_late | is_of_later)
        .values(state="failed", errors=[numbers.ALONE], ended_at=func.now())
        .returning(Tap.key)
        .execution_options(synchronize_session=False)
    )
    return list(session.execute(ended if which is None else ended.where(which)).scalars())


def view(session: Session, key: str) -> View | None:
    """A tap, if there is one of this key."""
    tap = session.get(Tap, key)
    if tap is None:
        return None
    halves = tuple(_halves(session, key).values())
    booked = select(Entry.number).where(Entry.note == key, Entry.user_id.in_([one.user_id for one in halves]))
    return _view(tap, halves, len(session.execute(booked).all()))


def newest(session: Session, user_id: str | None, most: int) -> list[View]:
    """The newest taps: of one user, or of all for None."""
    wanted_taps = select(Tap).order_by(Tap.created_at.desc(), Tap.key).limit(most)
    if user_id is not None:
        wanted_taps = wanted_taps.where(Tap.key.in_(select(Half.key).where(Half.user_id == user_id)))
    taps = session.execute(wanted_taps).scalars().all()
    halves: dict[str, list[HalfTap]] = {tap.key: [] for tap in taps}
    wanted = select(Half).where(Half.key.in_(halves)).order_by(Half.arrived_at)
    for row in session.execute(wanted).scalars():
        halves[row.key].append(_half(row))
    return [_view(tap, tuple(halves[tap.key]), 2) for tap in taps]


def _match(session: Session, desk: Desk, tap: Tap, one: HalfTap, two: HalfTap) -> None:
    send, receive = (one, two) if one.side == "send" else (two, one)
    if errors := compare(send, receive):
        tap.state, tap.errors = "failed", errors
        tap.ended_at = session.execute(select(func.now())).scalar_one()
        return
    payer, payee = (session.get_one(Account, half.user_id) for half in (send, receive))
    try:
        desk.pay(
            session,
            f"tap:{tap.key}",
            sender=payer.creditor_id,
            to=payee.creditor_id,
            cents=send.cents,
            note=tap.key,
        )
    except NotReady:
        raise Problem(
            "SERVER_AWAY",
            "It did not happen: the accounting server has not opened the account yet. Send it again.",
        ) from None
    tap.state = "running"


def _halves(session: Session, key: str) -> dict[str, HalfTap]:
    wanted = select(Half).where(Half.key == key).order_by(Half.arrived_at)
    return {row.side: _half(row) for row in session.execute(wanted).scalars()}


def _half(row: Half) -> HalfTap:
    return HalfTap(
        side="send" if row.side == "send" else "receive",
        user_id=row.user_id,
        sender_id=row.sender_id,
        cents=row.cents,
        os=row.os,
        transaction_time=row.transaction_time,
    )


def _view(tap: Tap, halves: tuple[HalfTap, ...], entries: int) -> View:
    return View(
        key=tap.key,
        state=tap.state,
        errors=tuple(tap.errors),
        outcome=tap.outcome,
        halves=halves,
        created_at=tap.created_at,
        ended_at=tap.ended_at,
        is_booked=entries == 2,
    )
