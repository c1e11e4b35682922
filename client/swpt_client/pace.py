"""When a message is repeated: pauses that grow, counted from the broker's confirmation."""

from collections.abc import Sequence

from msgspec.structs import replace

from .moments import Moment, later_by
from .records import Pace


def begin(now: Moment, previous: Pace | None = None) -> Pace:
    """A first copy goes into the outbox; its number follows those of the state before."""
    number = 1 if previous is None else previous.copies + 1
    return Pace(began_at=now, first_copy=number, copies=number)


def quiet(now: Moment, previous: Pace) -> Pace:
    """A state begins that sends nothing."""
    return Pace(began_at=now, first_copy=previous.copies + 1, copies=previous.copies, is_waiting=False)


def repeat(pace: Pace) -> Pace:
    """One more copy goes into the outbox."""
    return replace(pace, copies=pace.copies + 1, is_waiting=True)


def is_awaited(pace: Pace, copy: int) -> bool:
    """Whether it matters that the broker has a copy; once it does not, it never does again."""
    return copy == pace.copies and pace.is_waiting


def confirm(pace: Pace, copy: int, at: Moment) -> Pace:
    """The broker has a copy; only the latest one ends the waiting."""
    if not is_awaited(pace, copy):
        return pace
    first = at if pace.first_confirmed_at is None else pace.first_confirmed_at
    return replace(pace, is_waiting=False, confirmed_at=at, first_confirmed_at=first)


def repeat_at(pace: Pace, pauses: Sequence[int], stretch: float = 1.0) -> Moment | None:
    """From when the next copy may go; None while one waits in the outbox, and if none was sent."""
    if pace.is_waiting or pace.confirmed_at is None:
        return None
    pause = pauses[min(pace.copies - pace.first_copy, len(pauses) - 1)]
    return later_by(pace.confirmed_at, round(pause * stretch))


def worry_at(pace: Pace, patience: int) -> Moment | None:
    """When the missing answer becomes news; None if it has been told."""
    return None if pace.has_worried else later_by(pace.began_at, patience)


def speak_at(pace: Pace, pauses: Sequence[int], patience: int, stretch: float = 1.0) -> Moment | None:
    """When the next copy may go, or the missing answer becomes news."""
    worry = None if pace.has_worried else later_by(pace.began_at, patience)
    return worry if pace.is_waiting else earliest(repeat_at(pace, pauses, stretch), worry)


def earliest(*moments: Moment | None) -> Moment | None:
    """The first of some moments, None if there is none."""
    first: Moment | None = None
    for moment in moments:
        if moment is not None and (first is None or moment < first):
            first = moment
    return first


def is_past(moment: Moment | None, now: Moment) -> bool:
    """Whether a moment has come."""
    return moment is not None and moment <= now


def silent(now: Moment) -> Pace:
    """Nothing was ever sent."""
    return Pace(began_at=now, copies=0, is_waiting=False)
