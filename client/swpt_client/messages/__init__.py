"""The ten messages of the protocol: values, what a client sends, what it receives."""

from .decoding import CONTENT_TYPE, Undecodable, decode
from .encoding import EXCHANGE, Envelope, address, encode
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
    "decode",
    "encode",
]
