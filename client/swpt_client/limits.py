"""The numbers, flags and codes that client and server share (protocol.rst)."""

from typing import Final

MAX_INT32: Final = 2147483647
MIN_INT32: Final = -2147483648
MAX_INT64: Final = 9223372036854775807
MIN_INT64: Final = -9223372036854775808

MAX_DELAY: Final = MAX_INT32
"""No restriction, in `max_commit_delay` (seconds)."""

ROOT_CREDITOR_ID: Final = 0
SCHEDULED_FOR_DELETION: Final = 1
"""Bit 0 of `config_flags`."""

HUGE_AMOUNT: Final = 1e30
""""Whatever it takes", as a negligible amount."""

SECONDS_PER_YEAR: Final = 31557600.0
AMOUNT_TOLERANCE: Final = 1e-5
"""How much a stored negligible amount may differ from the one that was sent, relatively."""

MAX_MESSAGE_BYTES: Final = 65536
MAX_NESTING_LEVELS: Final = 32
MAX_CONFIG_DATA_BYTES: Final = 2000
MAX_NOTE_BYTES: Final = 500
MAX_ACCOUNT_ID_CHARACTERS: Final = 100
MAX_CODE_CHARACTERS: Final = 30

DIRECT: Final = "direct"
ISSUING: Final = "issuing"
AGENT: Final = "agent"
RESERVED_TYPES: Final = frozenset({"interest", "delete"})
"""Coordinator types that only the server itself uses."""

OK: Final = "OK"
SENDER_IS_UNREACHABLE: Final = "SENDER_IS_UNREACHABLE"
RECIPIENT_IS_UNREACHABLE: Final = "RECIPIENT_IS_UNREACHABLE"
RECIPIENT_SAME_AS_SENDER: Final = "RECIPIENT_SAME_AS_SENDER"
NEWER_INTEREST_RATE: Final = "NEWER_INTEREST_RATE"
INSUFFICIENT_AVAILABLE_AMOUNT: Final = "INSUFFICIENT_AVAILABLE_AMOUNT"
TOO_MANY_TRANSFERS: Final = "TOO_MANY_TRANSFERS"
TIMEOUT: Final = "TIMEOUT"
TRANSFER_NOTE_IS_TOO_LONG: Final = "TRANSFER_NOTE_IS_TOO_LONG"

_SUBNET_MASK: Final = 0xFFFFFF0000000000


def subnet_of(creditor_id: int) -> int:
    """The upper 24 bits of a creditor id, in place, as an unsigned number."""
    return creditor_id & _SUBNET_MASK


def share_subnet(one: int, other: int) -> bool:
    """Whether two creditor ids have the same upper 24 bits."""
    return not (one ^ other) & _SUBNET_MASK


def is_later_number(a: int, b: int) -> bool:
    """Whether the wrapping int32 number `a` follows `b`; neither does at a distance of exactly 2^31."""
    distance = (a - b) & 0xFFFFFFFF
    return 0 < distance < 0x80000000


def next_number(number: int) -> int:
    """The successor of a wrapping int32 number."""
    return number + 1 if number < MAX_INT32 else MIN_INT32
