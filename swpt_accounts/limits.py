"""The protocol's numbers, flags and codes (spec: protocol.md sections 2, 6 and 7)."""

from typing import Final

MAX_INT32: Final = 2**31 - 1
MIN_INT32: Final = -(2**31)
MAX_INT64: Final = 2**63 - 1
MIN_INT64: Final = -(2**63)
MAX_UINT64: Final = 2**64 - 1

MAX_DELAY: Final = MAX_INT32
ROOT_CREDITOR_ID: Final = 0
AGENT_SUBNET_MASK: Final = 0xFFFFFF0000000000

SCHEDULED_FOR_DELETION_FLAG: Final = 1

MIN_INTEREST_RATE: Final = -50.0
MAX_INTEREST_RATE: Final = 100.0
DEMURRAGE_RATE: Final = -50.0
SECONDS_PER_YEAR: Final = 31557600.0

MAX_MESSAGE_BYTES: Final = 65536
MAX_NESTING_LEVELS: Final = 32
MAX_CONFIG_DATA_BYTES: Final = 2000
MAX_TRANSFER_NOTE_BYTES: Final = 500

# Coordinator types with rules of their own.
CT_DIRECT: Final = "direct"
CT_ISSUING: Final = "issuing"
CT_AGENT: Final = "agent"
CT_INTEREST: Final = "interest"
CT_DELETE: Final = "delete"
RESERVED_COORDINATOR_TYPES: Final = frozenset({CT_INTEREST, CT_DELETE})

# Status codes of RejectedTransfer and FinalizedTransfer.
OK: Final = "OK"
SENDER_IS_UNREACHABLE: Final = "SENDER_IS_UNREACHABLE"
RECIPIENT_IS_UNREACHABLE: Final = "RECIPIENT_IS_UNREACHABLE"
RECIPIENT_SAME_AS_SENDER: Final = "RECIPIENT_SAME_AS_SENDER"
NEWER_INTEREST_RATE: Final = "NEWER_INTEREST_RATE"
INSUFFICIENT_AVAILABLE_AMOUNT: Final = "INSUFFICIENT_AVAILABLE_AMOUNT"
TOO_MANY_TRANSFERS: Final = "TOO_MANY_TRANSFERS"
TIMEOUT: Final = "TIMEOUT"
TRANSFER_NOTE_IS_TOO_LONG: Final = "TRANSFER_NOTE_IS_TOO_LONG"

# The rejection code of RejectedConfig.
INVALID_CONFIGURATION: Final = "INVALID_CONFIGURATION"


def u64(number: int) -> int:
    """An int64 read as an unsigned number (spec: protocol.md section 2)."""
    return number & MAX_UINT64


def subnet(creditor_id: int) -> int:
    """The upper 24 bits of a creditor id, in place (spec: protocol.md section 2)."""
    return creditor_id & AGENT_SUBNET_MASK


def is_later_number(a: int, b: int) -> bool:
    """Compare two wrapping int32 numbers (spec: protocol.md section 11.2)."""
    return 0 < (a - b) % 2**32 < 2**31


def next_number(number: int) -> int:
    """The successor of a wrapping int32 number."""
    return MIN_INT32 if number == MAX_INT32 else number + 1
