"""Messages to the server become bytes with an address."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from swpt_client.moments import render

from .shapes import ClientMessage, ConfigureAccount, FinalizeTransfer, PrepareTransfer

EXCHANGE: Final = "accounts_in"
"""Where a client of the server's own broker publishes."""

_encode_json: Final = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A message as it travels: persistent, content type `application/json`."""

    exchange: str
    routing_key: str
    type: str
    headers: dict[str, str | int]
    body: bytes


def encode(message: ClientMessage) -> bytes:
    """The compact JSON of a message, its members in the order of the protocol."""
    return _encode_json(_MEMBERS[type(message)](message))


def _configure_account(message: ConfigureAccount) -> dict[str, object]:
    return {
        "type": "ConfigureAccount",
        "debtor_id": message.debtor_id,
        "creditor_id": message.creditor_id,
        "negligible_amount": message.negligible_amount,
        "config_flags": message.config_flags,
        "config_data": message.config_data,
        "ts": render(message.ts),
        "seqnum": message.seqnum,
    }


def _prepare_transfer(message: PrepareTransfer) -> dict[str, object]:
    return {
        "type": "PrepareTransfer",
        "debtor_id": message.debtor_id,
        "creditor_id": message.creditor_id,
        "coordinator_type": message.coordinator_type,
        "coordinator_id": message.coordinator_id,
        "coordinator_request_id": message.coordinator_request_id,
        "min_locked_amount": message.min_locked_amount,
        "max_locked_amount": message.max_locked_amount,
        "recipient": message.recipient,
        "final_interest_rate_ts": render(message.final_interest_rate_ts),
        "max_commit_delay": message.max_commit_delay,
        "ts": render(message.ts),
    }


def _finalize_transfer(message: FinalizeTransfer) -> dict[str, object]:
    return {
        "type": "FinalizeTransfer",
        "debtor_id": message.debtor_id,
        "creditor_id": message.creditor_id,
        "transfer_id": message.transfer_id,
        "coordinator_type": message.coordinator_type,
        "coordinator_id": message.coordinator_id,
        "coordinator_request_id": message.coordinator_request_id,
        "committed_amount": message.committed_amount,
        "transfer_note": message.transfer_note,
        "transfer_note_format": message.transfer_note_format,
        "ts": render(message.ts),
    }


_MEMBERS: Final[dict[type[ClientMessage], Callable[[Any], dict[str, object]]]] = {
    ConfigureAccount: _configure_account,
    PrepareTransfer: _prepare_transfer,
    FinalizeTransfer: _finalize_transfer,
}


def address(message: ClientMessage) -> Envelope:
    """Encode a message, and say where it goes, with the headers that relays look at."""
    headers: dict[str, str | int] = {
        "message-type": type(message).__name__,
        "debtor-id": message.debtor_id,
        "creditor-id": message.creditor_id,
    }
    if not isinstance(message, ConfigureAccount):
        headers["coordinator-id"] = message.coordinator_id
        headers["coordinator-type"] = message.coordinator_type
    return Envelope(
        EXCHANGE,
        binary_key(message.debtor_id, message.creditor_id),
        type(message).__name__,
        headers,
        encode(message),
    )


@lru_cache(maxsize=4096)
def binary_key(debtor_id: int, creditor_id: int) -> str:
    """The routing key of messages to the server: the first 24 bits of an MD5 sum, joined by points."""
    account = debtor_id.to_bytes(8, "big", signed=True) + creditor_id.to_bytes(8, "big", signed=True)
    digest = hashlib.md5(account, usedforsecurity=False).digest()
    return ".".join(f"{int.from_bytes(digest[:3], 'big'):024b}")


def hex_key(number: int) -> str:
    """The routing key of messages from the server: eight bytes in hexadecimal, joined by points."""
    return number.to_bytes(8, "big", signed=True).hex(".")
