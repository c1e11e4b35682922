"""Incoming messages as frozen values, and their strict decoding.

See protocol.rst#messages-to-the-server and rules.md#checks-of-a-message.

May import: `wire`.
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
