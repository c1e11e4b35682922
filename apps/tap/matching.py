"""Whether two halves belong together: decided before anything moves, from the halves alone."""

from typing import Final, Literal

import msgspec

from . import numbers

Side = Literal["send", "receive"]
OTHER: Final[dict[str, Side]] = {"send": "receive", "receive": "send"}


class HalfTap(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the two phones says."""

    side: Side
    user_id: str
    """Whose phone it is."""
    sender_id: str
    """Who pays, as this phone sees it."""
    cents: int
    os: str
    transaction_time: str


def compare(one: HalfTap, two: HalfTap) -> list[int]:
    """The numbers of what differs; none if the halves agree."""
    assert one.side != two.side, "a tap has two sides"
    errors = []
    if one.sender_id != two.sender_id:
        errors.append(numbers.OTHER_SENDER)
    if one.cents != two.cents:
        errors.append(numbers.OTHER_AMOUNT)
    return errors
