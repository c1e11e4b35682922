"""The kinds of fields that incoming messages have, each with its limits.

A kind is a type that msgspec checks on the fast way, and a reader that defines the kind
completely for the slow way (protocol.rst#values).
"""

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from msgspec import Meta

from swpt_accounts.wire.moments import Moment, parse_timestamp
from swpt_accounts.wire.numbers import (
    MAX_CONFIG_DATA_BYTES,
    MAX_INT32,
    MAX_INT64,
    MAX_TRANSFER_NOTE_BYTES,
    MIN_INT32,
    MIN_INT64,
)
from swpt_accounts.wire.strict_json import Integer, Real

Value: TypeAlias = int | float | str
Reader: TypeAlias = Callable[[object], Value]
"""Takes a value as `strict_json.parse` gives it; raises ValueError that says what is expected."""

Int32: TypeAlias = Annotated[int, Meta(ge=MIN_INT32, le=MAX_INT32)]
Int64: TypeAlias = Annotated[int, Meta(ge=MIN_INT64, le=MAX_INT64)]
Delay: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT32)]
Amount: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT64)]
Delta: TypeAlias = Annotated[int, Meta(ge=-MAX_INT64, le=MAX_INT64)]
NegligibleAmount: TypeAlias = Annotated[float, Meta(ge=0.0)]
# msgspec counts characters; bytes and alphabets are checked by the predicates below.
ConfigData: TypeAlias = Annotated[str, Meta(max_length=MAX_CONFIG_DATA_BYTES)]
TransferNote: TypeAlias = Annotated[str, Meta(max_length=MAX_TRANSFER_NOTE_BYTES)]
TransferNoteFormat: TypeAlias = Annotated[str, Meta(max_length=8)]
CoordinatorType: TypeAlias = Annotated[str, Meta(min_length=1, max_length=30)]
Recipient: TypeAlias = Annotated[str, Meta(max_length=100)]

if TYPE_CHECKING:
    Timestamp: TypeAlias = Moment
else:

    class _TimestampType(type):
        def __instancecheck__(cls, value: object) -> bool:
            return type(value) is int

    class Timestamp(metaclass=_TimestampType):
        """Text on the wire and a plain integer in the message: msgspec hands it to `read_custom`."""


def read_custom(_kind: type, value: object) -> Moment:
    """The hook of msgspec for the one kind that it does not know."""
    return _read_timestamp(value)


# --- predicates -------------------------------------------------------------------------

_NOTE_FORMAT: Final = re.compile(r"[0-9A-Za-z.-]{0,8}")


def is_config_data(text: str) -> bool:
    """At most 2000 bytes of UTF-8."""
    return len(text.encode()) <= MAX_CONFIG_DATA_BYTES


def is_transfer_note(text: str) -> bool:
    """At most 500 bytes of UTF-8."""
    return len(text.encode()) <= MAX_TRANSFER_NOTE_BYTES


def is_transfer_note_format(text: str) -> bool:
    """At most eight letters, digits, points and hyphens, and nothing behind them."""
    return not text or _NOTE_FORMAT.fullmatch(text) is not None


def is_coordinator_type(text: str) -> bool:
    """1 to 30 printable ASCII characters."""
    return 1 <= len(text) <= 30 and text.isascii() and text.isprintable()


def is_recipient(text: str) -> bool:
    """At most 100 ASCII characters."""
    return len(text) <= 100 and text.isascii()


# --- readers ----------------------------------------------------------------------------


def _read_integer(low: int, high: int) -> Reader:
    def read(value: object) -> int:
        number = value.between(low, high) if isinstance(value, Integer) else None
        if number is None:
            raise ValueError(f"must be an integer between {low} and {high}")
        return number

    return read


def _read_delta(value: object) -> int:
    number = value.between(-MAX_INT64, MAX_INT64) if isinstance(value, Integer) else None
    if not number:
        raise ValueError(f"must be an integer between {-MAX_INT64} and {MAX_INT64}, and not 0")
    return number


def _read_negligible_amount(value: object) -> float:
    number = float(value) if isinstance(value, Integer | Real) else math.nan
    if not 0.0 <= number < math.inf:
        raise ValueError("must be a finite number, not below 0.0")
    return number


def _read_text(holds: Callable[[str], bool], expected: str) -> Reader:
    def read(value: object) -> str:
        if not (isinstance(value, str) and holds(value)):
            raise ValueError(f"must be {expected}")
        return value

    return read


def _read_timestamp(value: object) -> Moment:
    if not isinstance(value, str):
        raise ValueError("must be a timestamp with an offset")  # noqa: TRY004 - their error, not ours
    return parse_timestamp(value)


READERS: Final[dict[object, Reader]] = {
    Int32: _read_integer(MIN_INT32, MAX_INT32),
    Int64: _read_integer(MIN_INT64, MAX_INT64),
    Delay: _read_integer(0, MAX_INT32),
    Amount: _read_integer(0, MAX_INT64),
    Delta: _read_delta,
    NegligibleAmount: _read_negligible_amount,
    ConfigData: _read_text(is_config_data, f"a text of at most {MAX_CONFIG_DATA_BYTES} bytes"),
    TransferNote: _read_text(is_transfer_note, f"a text of at most {MAX_TRANSFER_NOTE_BYTES} bytes"),
    TransferNoteFormat: _read_text(is_transfer_note_format, "0 to 8 letters, digits, points and hyphens"),
    CoordinatorType: _read_text(is_coordinator_type, "1 to 30 printable ASCII characters"),
    Recipient: _read_text(is_recipient, "0 to 100 ASCII characters"),
    Timestamp: _read_timestamp,
}
