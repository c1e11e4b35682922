"""Messages as a client writes them: incoming structs to JSON, with properties and keys."""

from hashlib import sha256
from typing import Any

import msgspec

from swpt_accounts.broker.batch import Delivered
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.wire.messages import Malformed, Message
from swpt_accounts.wire.moments import render_timestamp
from swpt_accounts.wire.routing import binary_key

_MOMENTS = ("ts", "final_interest_rate_ts", "committed_at")


def body_of(message: Message) -> bytes:
    """The JSON of a message."""
    fields: dict[str, Any] = msgspec.to_builtins(message)
    for name in _MOMENTS:
        if name in fields:
            fields[name] = render_timestamp(fields[name])
    return msgspec.json.encode(fields)


def key_of(message: Message) -> str:
    """The routing key of a message."""
    return binary_key(message.debtor_id, message.creditor_id)


def delivered(message: Message | Malformed | Exception, **fields: Any) -> Delivered:
    """A message as a consumer hands it on; `fields` are those of the delivery."""
    if isinstance(message, Message):
        body, key = body_of(message), key_of(message)
    else:
        body, key = b"{}", ""
    body = fields.pop("body", body)
    values: dict[str, Any] = {
        "tag": 1,
        "exchange": "accounts_in",
        "routing_key": key,
        "redelivered": False,
        "properties": b"\0\0",
        "body": body,
        "body_size": len(body),
    }
    return Delivered(Delivery(**(values | fields)), message)


def digest_of(message: Message) -> bytes:
    """By what the attempts of a message are counted."""
    return sha256(body_of(message)).digest()


def redelivered(count: int) -> dict[str, Any]:
    """Fields of a delivery that the broker has tried `count` times before."""
    header = b"\x10x-delivery-countl" + count.to_bytes(8, "big", signed=True)
    return {
        "redelivered": True,
        "properties": b"\x20\x00" + len(header).to_bytes(4, "big") + header,
    }
