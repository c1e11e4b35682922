"""What the till decides: standings, the daily maximum, undo.  Pure functions on frozen values."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from .notes import UNDOABLE, Kind

OK: Final = "OK"


class Colour(StrEnum):
    """How a balance looks."""

    GOOD = "good"
    ORANGE = "warn"
    RED = "bad"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is on somebody's account, and how much of it was only lent."""

    principal: int
    line: int
    """How far below zero the person may be; that much was issued in advance."""

    @property
    def balance(self) -> int:
        """What the person has, or owes."""
        return self.principal - self.line

    @property
    def is_owed(self) -> int:
        """What the till owes to the person."""
        return max(0, self.balance)

    def colour(self, red_below: int) -> Colour:
        """Orange below zero, red below a second mark (≤ 0)."""
        if self.balance >= 0:
            return Colour.GOOD
        return Colour.ORANGE if self.balance >= red_below else Colour.RED


def is_over_maximum(today: int, cents: int, maximum: int) -> bool:
    """Whether one more recharge is more than somebody may put into the box within a day."""
    return today + cents > maximum


def day_of(at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The begin of the day of a moment, where the till stands, and of the day after."""
    begin = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return begin.astimezone(UTC), (begin + timedelta(days=1)).astimezone(UTC)


def month_of(year: int, month: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The begin of a month, where the till stands, and of the month after."""
    begin = datetime(year, month, 1, tzinfo=zone)
    after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    return begin.astimezone(UTC), after.astimezone(UTC)


class Undoing(StrEnum):
    """What is to be said to somebody who wants to undo a deed."""

    NOT_YOURS = "NOT_YOURS"
    NOT_UNDOABLE = "NOT_UNDOABLE"
    ALREADY_UNDONE = "ALREADY_UNDONE"
    IS_RUNNING = "IS_RUNNING"
    """An attempt is open: whoever asks meanwhile, asks for the same."""
    DEED_IS_RUNNING = "DEED_IS_RUNNING"
    NOTHING_HAPPENED = "NOTHING_HAPPENED"
    TOO_LATE = "TOO_LATE"
    BEGIN = "BEGIN"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a deed is, for undoing it."""

    kind: Kind
    holder_id: int
    outcome: str
    undo: str
    at: datetime


def undoing(deed: State, *, who: int, now: datetime, minutes: int) -> Undoing:
    """Whether somebody may undo a deed: one guard after the other."""
    if deed.holder_id != who:
        return Undoing.NOT_YOURS
    if deed.kind not in UNDOABLE:
        return Undoing.NOT_UNDOABLE
    if deed.undo == "done":
        return Undoing.ALREADY_UNDONE
    if deed.undo == "open":
        return Undoing.IS_RUNNING
    if not deed.outcome:
        return Undoing.DEED_IS_RUNNING
    if deed.outcome != OK:
        return Undoing.NOTHING_HAPPENED
    if now - deed.at > timedelta(minutes=minutes):
        return Undoing.TOO_LATE
    return Undoing.BEGIN


def undo_key(deed_id: object, attempt: int) -> str:
    """The key of the reverse transfer: at most one attempt is open, or has succeeded."""
    return f"undo:{deed_id}:{attempt}"
