"""Moments: exact instants as whole microseconds since 1970-01-01T00:00:00Z.

An integer compares, subtracts and stores exactly, knows no time zone, and covers
the years 1 to 9999 of the protocol (protocol.rst#timestamps).
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias

Moment: TypeAlias = int
"""Microseconds since 1970-01-01T00:00:00Z; negative before."""

MICROSECONDS: Final = 1_000_000
MICROSECONDS_PER_DAY: Final = 86400 * MICROSECONDS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

T0: Final[Moment] = 0
T_FAR: Final[Moment] = 253402300799 * MICROSECONDS
FIRST_MOMENT: Final[Moment] = -62135596800 * MICROSECONDS
LAST_MOMENT: Final[Moment] = T_FAR + MICROSECONDS - 1

# What nearly all senders write: UTC, and at most six digits of fraction.
_COMMON_TIMESTAMP: Final = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:\+00:00|Z)", re.ASCII
)
_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d)(?::([0-5]\d)(?:\.(\d+))?)?"
    r"(?:Z|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)",
    re.ASCII,
)
_T_FAR_TEXT: Final = "9999-12-31T23:59:59+00:00"


def parse_timestamp(text: str) -> Moment:
    """Read a timestamp in the one form that the protocol allows.

    Digits after the sixth are dropped.  Raises ValueError for anything else, and for
    an instant outside the years 1 to 9999 (protocol.rst#timestamps).
    """
    if text == _T_FAR_TEXT:
        return T_FAR
    if _COMMON_TIMESTAMP.fullmatch(text) is not None:
        return from_datetime(_read_datetime(text))
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError("must be a timestamp with an offset")
    civil_minute, second, fraction, sign, hours, minutes = match.groups()
    moment = from_datetime(_read_datetime(civil_minute + "+00:00")) + int(second or 0) * MICROSECONDS
    if fraction is not None:
        moment += int(fraction[:6].ljust(6, "0"))
    if sign is not None:
        offset = (int(hours) * 60 + int(minutes or 0)) * 60 * MICROSECONDS
        moment += offset if sign == "-" else -offset
    if not FIRST_MOMENT <= moment <= LAST_MOMENT:
        raise ValueError("must be a timestamp within the years 1 to 9999")
    return moment


def _read_datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a timestamp of a day that exists") from None


@lru_cache(maxsize=8192)
def render_timestamp(moment: Moment) -> str:
    """Write a moment as the server does: UTC, `+00:00`, six digits of fraction or none.

    The events of a batch share few moments, so they are remembered.
    """
    return to_datetime(moment).isoformat()


def from_datetime(value: datetime) -> Moment:
    """The moment of an aware datetime."""
    elapsed = value - _EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * MICROSECONDS + elapsed.microseconds


def to_datetime(moment: Moment) -> datetime:
    """The moment as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=moment)


def utc_date(moment: Moment) -> date:
    """The calendar day of the moment in UTC."""
    return to_datetime(moment).date()


def seconds(duration_seconds: float) -> int:
    """A duration in seconds as whole microseconds."""
    return round(duration_seconds * MICROSECONDS)


def elapsed_seconds(start: Moment, end: Moment) -> float:
    """Seconds from `start` to `end`; a negative difference counts as 0.0 (rules.md#numbers-and-time)."""
    return (end - start) / 1000000.0 if end > start else 0.0


def most_ahead(duration: int) -> int:
    """How far ahead of our clock a moment may be that a wait of `duration` microseconds begins with.

    The clocks of machines differ a little.  What is further ahead was written while a clock was wrong.
    """
    return min(duration // 24, 3600 * MICROSECONDS)


def is_astray(written: Moment, duration: int, now: Moment) -> bool:
    """Whether a moment that begins a wait lies so far ahead of the clock that it can not be believed."""
    return written > now + most_ahead(duration)


def is_over(since: Moment, duration: int, now: Moment) -> bool:
    """Whether a wait of `duration` microseconds is over that began at a moment that was written down.

    A moment that can not be believed keeps nobody waiting: else a clock that stood a century ahead for a
    second would stop the work for a century.
    """
    return now - since >= duration or is_astray(since, duration, now)


def latest_due(duration: int, now: Moment) -> Moment:
    """No wait of at most `duration` microseconds that has begun by now ends later than this."""
    return now + duration + most_ahead(duration)


def later_by(moment: Moment, duration: int) -> Moment:
    """`moment` plus a duration in microseconds, cut to T_FAR beyond the year 9999."""
    result = moment + duration
    return result if result <= LAST_MOMENT else T_FAR
