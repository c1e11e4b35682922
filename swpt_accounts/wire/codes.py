"""The codes and flags of the protocol (protocol.rst#codes-and-types)."""

from typing import Final

SCHEDULED_FOR_DELETION_FLAG: Final = 1


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
