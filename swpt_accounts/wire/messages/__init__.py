"""Incoming messages as frozen values, and their strict decoding.

Spec: protocol.md sections 2 to 4, wire.md sections 7 and 9.
"""

from .decoding import CONTENT_TYPE, decode
from .malformed import Malformed, Reason
from .shapes import (
    MESSAGE_TYPES,
    ConfigureAccount,
    FinalizeTransfer,
    Message,
    PendingBalanceChange,
    PrepareTransfer,
)

__all__ = [
    "CONTENT_TYPE",
    "MESSAGE_TYPES",
    "ConfigureAccount",
    "FinalizeTransfer",
    "Malformed",
    "Message",
    "PendingBalanceChange",
    "PrepareTransfer",
    "Reason",
    "decode",
]
