"""The kinds of fields that messages have, with the limits that hold for every server.

A kind is a type that msgspec checks; what its type cannot say, a predicate says
(protocol.rst, value types).
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from msgspec import Meta

from swpt_client import limits
from swpt_client.moments import Moment, parse

Int32: TypeAlias = Annotated[int, Meta(ge=limits.MIN_INT32, le=limits.MAX_INT32)]
Int64: TypeAlias = Annotated[int, Meta(ge=limits.MIN_INT64, le=limits.MAX_INT64)]
UnsignedAmount: TypeAlias = Annotated[int, Meta(ge=0, le=limits.MAX_INT64)]
PositiveAmount: TypeAlias = Annotated[int, Meta(ge=1, le=limits.MAX_INT64)]
AnyAmount: TypeAlias = Annotated[int, Meta(ge=limits.MIN_INT64, le=limits.MAX_INT64)]
Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=limits.MAX_INT32)]
NoteMaxBytes: TypeAlias = Annotated[int, Meta(ge=0, le=limits.MAX_NOTE_BYTES)]
UnsignedReal: TypeAlias = Annotated[float, Meta(ge=0.0)]
InterestRate: TypeAlias = Annotated[float, Meta(ge=-100.0)]
DemurrageRate: TypeAlias = Annotated[float, Meta(ge=-100.0, le=0.0)]
# msgspec counts characters; bytes and alphabets are left to the predicates below.
ConfigData: TypeAlias = Annotated[str, Meta(max_length=limits.MAX_CONFIG_DATA_BYTES)]
TransferNote: TypeAlias = Annotated[str, Meta(max_length=limits.MAX_NOTE_BYTES)]
TransferNoteFormat: TypeAlias = Annotated[str, Meta(max_length=8)]
CoordinatorType: TypeAlias = Annotated[str, Meta(min_length=1, max_length=limits.MAX_CODE_CHARACTERS)]
Code: TypeAlias = Annotated[str, Meta(max_length=limits.MAX_CODE_CHARACTERS)]
AccountId: TypeAlias = Annotated[str, Meta(max_length=limits.MAX_ACCOUNT_ID_CHARACTERS)]
Iri: TypeAlias = Annotated[str, Meta(max_length=200)]
Sha256: TypeAlias = Annotated[str, Meta(max_length=64)]

if TYPE_CHECKING:
    Timestamp: TypeAlias = Moment
else:

    class _Custom(type):
        """Lets msgspec take the integers of `read_timestamp` for instances of a type of ours."""

        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, int)

    class Timestamp(metaclass=_Custom):
        """A text on the wire, a moment in the message."""


@lru_cache(maxsize=8192)
def read_timestamp(_kind: object, value: str) -> Moment:
    """What msgspec calls for the one kind that it does not know.  Raises ValueError or TypeError.

    The messages of one batch share moments, so the last ones are remembered.
    """
    return parse(value)


_NOTE_FORMAT: Final = re.compile(r"[0-9A-Za-z.-]{0,8}")
_SHA256: Final = re.compile(r"(?:[0-9A-Fa-f]{64})?")


def _fits(text: str, max_bytes: int) -> bool:
    """Whether the UTF-8 form is short enough, and neither U+0000 nor a surrogate is in it."""
    if text.isascii():
        return len(text) <= max_bytes and "\0" not in text
    try:
        return len(text.encode()) <= max_bytes and "\0" not in text
    except UnicodeEncodeError:
        return False


def is_config_data(text: str) -> bool:
    """At most 2000 bytes of UTF-8."""
    return _fits(text, limits.MAX_CONFIG_DATA_BYTES)


def is_transfer_note(text: str) -> bool:
    """At most 500 bytes of UTF-8."""
    return _fits(text, limits.MAX_NOTE_BYTES)


def is_transfer_note_format(text: str) -> bool:
    """At most eight letters, digits, points and hyphens, and nothing behind them."""
    return not text or _NOTE_FORMAT.fullmatch(text) is not None


def is_coordinator_type(text: str) -> bool:
    """1 to 30 printable ASCII characters."""
    return 1 <= len(text) <= limits.MAX_CODE_CHARACTERS and text.isascii() and text.isprintable()


def is_account_id(text: str) -> bool:
    """At most 100 ASCII characters."""
    return len(text) <= limits.MAX_ACCOUNT_ID_CHARACTERS and text.isascii() and "\0" not in text


def is_code(text: str) -> bool:
    """At most 30 ASCII characters."""
    return len(text) <= limits.MAX_CODE_CHARACTERS and text.isascii()


def is_sha256(text: str) -> bool:
    """64 hexadecimal digits, or none."""
    return _SHA256.fullmatch(text) is not None


PREDICATES: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "config_data": (is_config_data, "must be a text of at most 2000 bytes"),
    "transfer_note": (is_transfer_note, "must be a text of at most 500 bytes"),
    "transfer_note_format": (is_transfer_note_format, "must be 0 to 8 letters, digits, points and hyphens"),
    "coordinator_type": (is_coordinator_type, "must be 1 to 30 printable ASCII characters"),
    "account_id": (is_account_id, "must be at most 100 ASCII characters"),
    "sender": (is_account_id, "must be at most 100 ASCII characters"),
    "recipient": (is_account_id, "must be at most 100 ASCII characters"),
    "debtor_info_content_type": (is_account_id, "must be at most 100 ASCII characters"),
    "debtor_info_sha256": (is_sha256, "must be 64 hexadecimal digits, or none"),
    "rejection_code": (is_code, "must be at most 30 ASCII characters"),
    "status_code": (is_code, "must be at most 30 ASCII characters"),
}
"""What the types of the fields cannot say, by the name of the field."""
