"""Moments: exact instants as whole microseconds since 1970-01-01T00:00:00Z.

Comparisons and differences are exact, and no zone is needed.  Texts have the one form
that the protocol knows (protocol.rst, timestamps).
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias

Moment: TypeAlias = int
"""Microseconds since 1970-01-01T00:00:00Z; negative before."""

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
YEAR: Final = 365 * DAY

T0: Final[Moment] = 0
"""Never happened."""
T_FAR: Final[Moment] = 253402300799 * SECOND
"""No restriction: 9999-12-31T23:59:59Z."""
FIRST: Final[Moment] = -62135596800 * SECOND
LAST: Final[Moment] = T_FAR + SECOND - 1

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What servers write.
_USUAL_FORM: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{6})?\+00:00"
)
_FORM: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9])"
    r"(?::([0-5][0-9])(?:\.([0-9]+))?)?"
    r"(?:Z|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)"
)


def parse(text: str) -> Moment:
    """Read a timestamp; digits after the sixth are dropped.

    Raises ValueError for any other form, a day that does not exist, and years beyond 1 to 9999.
    """
    if _USUAL_FORM.fullmatch(text) is not None:
        try:
            return of_datetime(datetime.fromisoformat(text))
        except ValueError:
            raise ValueError("must be a timestamp of a day that exists") from None
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("must be a timestamp with an offset")
    minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        moment = of_datetime(datetime.fromisoformat(minute + "+00:00"))
    except ValueError:
        raise ValueError("must be a timestamp of a day that exists") from None
    moment += int(second or 0) * SECOND + int((fraction or "")[:6].ljust(6, "0"))
    if sign:
        offset = int(hours) * HOUR + int(minutes or 0) * MINUTE
        moment += offset if sign == "-" else -offset
    if not FIRST <= moment <= LAST:
        raise ValueError("must be a timestamp within the years 1 to 9999")
    return moment


@lru_cache(maxsize=4096)
def render(moment: Moment) -> str:
    """Write a moment in UTC, with six digits of fraction or none."""
    return to_datetime(moment).isoformat()


def of_datetime(value: datetime) -> Moment:
    """The moment of an aware datetime."""
    elapsed = value - _EPOCH
    return (elapsed.days * 86400 + elapsed.seconds) * SECOND + elapsed.microseconds


def to_datetime(moment: Moment) -> datetime:
    """The moment as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=moment)


def later_by(moment: Moment, duration: int) -> Moment:
    """`moment` plus a duration in microseconds, cut to T_FAR beyond the year 9999."""
    later = moment + duration
    return T_FAR if later > T_FAR and duration > 0 else later
