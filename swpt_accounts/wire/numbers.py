"""The protocol's numbers (protocol.rst#special-values); its codes and flags are in `codes`."""

from typing import Final

MAX_INT32: Final = 2**31 - 1
MIN_INT32: Final = -(2**31)
MAX_INT64: Final = 2**63 - 1
MIN_INT64: Final = -(2**63)
MAX_UINT64: Final = 2**64 - 1

MAX_DELAY: Final = MAX_INT32
ROOT_CREDITOR_ID: Final = 0
AGENT_SUBNET_MASK: Final = 0xFFFFFF0000000000


MIN_INTEREST_RATE: Final = -50.0
MAX_INTEREST_RATE: Final = 100.0
DEMURRAGE_RATE: Final = -50.0
SECONDS_PER_YEAR: Final = 31557600.0

MAX_MESSAGE_BYTES: Final = 65536
MAX_NESTING_LEVELS: Final = 32
MAX_CONFIG_DATA_BYTES: Final = 2000
MAX_TRANSFER_NOTE_BYTES: Final = 500


def u64(number: int) -> int:
    """An int64 read as an unsigned number (protocol.rst#special-values)."""
    return number & MAX_UINT64


def i64(number: int) -> int:
    """The int64 that an unsigned number writes; numbers that are int64 already stay.

    The number is from MIN_INT64 to MAX_UINT64.
    """
    assert MIN_INT64 <= number <= MAX_UINT64, number
    return number if number <= MAX_INT64 else number - 2**64


def subnet(creditor_id: int) -> int:
    """The upper 24 bits of a creditor id, in place (protocol.rst#special-values)."""
    return creditor_id & AGENT_SUBNET_MASK


def is_later_number(a: int, b: int) -> bool:
    """Compare two wrapping int32 numbers (protocol.rst#numbers-that-wrap)."""
    return 0 < (a - b) % 2**32 < 2**31


def next_number(number: int) -> int:
    """The successor of a wrapping int32 number."""
    return MIN_INT32 if number == MAX_INT32 else number + 1
