"""The ten messages of the protocol: values, what a client sends, what it receives."""

from .decoding import CONTENT_TYPE, decode
from .diagnosis import Undecodable
from .encoding import EXCHANGE, Envelope, address, binary_key, encode, hex_key
from .shapes import (
    SERVER_MESSAGE_TYPES,
    AccountMessage,
    AccountPurge,
    AccountTransfer,
    AccountUpdate,
    ClientMessage,
    ConfigureAccount,
    FinalizedTransfer,
    FinalizeTransfer,
    PreparedTransfer,
    PrepareTransfer,
    RejectedConfig,
    RejectedTransfer,
    ServerMessage,
    TransferMessage,
)

__all__ = [
    "CONTENT_TYPE",
    "EXCHANGE",
    "SERVER_MESSAGE_TYPES",
    "AccountMessage",
    "AccountPurge",
    "AccountTransfer",
    "AccountUpdate",
    "ClientMessage",
    "ConfigureAccount",
    "Envelope",
    "FinalizeTransfer",
    "FinalizedTransfer",
    "PrepareTransfer",
    "PreparedTransfer",
    "RejectedConfig",
    "RejectedTransfer",
    "ServerMessage",
    "TransferMessage",
    "Undecodable",
    "address",
    "binary_key",
    "decode",
    "encode",
    "hex_key",
]
