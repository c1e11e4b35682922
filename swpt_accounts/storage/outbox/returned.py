"""A message that an operator puts back into the queue: its envelope, and its form in the outbox.

It is somebody else's message, maybe one that nobody can decode.  So it travels byte for byte, with
the properties that the server looks at; in the name of our own user only a credit that was ours before
(rules.md#dead-letters).
"""

from typing import Final

import msgspec

from swpt_accounts.events import ACCOUNTS_IN, Envelope
from swpt_accounts.wire.messages import MESSAGE_TYPES
from swpt_accounts.wire.routing import binary_key

UNKNOWN_TYPE: Final = "Malformed"

# The rows of our own events are zlib streams, which never begin with this byte.
_MARK: Final = b"\x00"


class ReturnedMessage(msgspec.Struct, frozen=True, array_like=True):
    """What is published to `accounts_in`; `properties` are the values of a content header."""

    type: str
    routing_key: str
    properties: bytes
    body: bytes

    def envelop(self) -> Envelope:
        """The message as the publisher takes it.  It belongs to no account of this shard."""
        return Envelope(
            exchange=ACCOUNTS_IN,
            routing_key=self.routing_key,
            type=self.type,
            debtor_id=0,
            creditor_id=0,
            coordinator_type=None,
            coordinator_id=None,
            mandatory=True,
            body=self.body,
            properties=self.properties,
        )


class _Addressed(msgspec.Struct):
    """The members of a body that say where it belongs, if they can be read."""

    debtor_id: int
    creditor_id: int
    type: object = None


_read_address: Final = msgspec.json.Decoder(_Addressed).decode
_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(ReturnedMessage).decode


def returned(body: bytes, type_property: str | None, routing_key: str, properties: bytes) -> ReturnedMessage:
    """Address a message to its account, or if that is unknown, where it was addressed before.

    A mistake in the old key must not bring the message to the wrong shard again.
    """
    name: object = type_property
    try:
        address = _read_address(body)
        routing_key = binary_key(address.debtor_id, address.creditor_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError):
        pass
    else:
        name = address.type if type_property is None else type_property
    known = name if isinstance(name, str) and name in MESSAGE_TYPES else UNKNOWN_TYPE
    # Odd bytes in the old key were spelled out when it was stored, which can make it too long.
    routing_key = routing_key.encode()[:255].decode(errors="ignore")
    return ReturnedMessage(known, routing_key, properties, body)


def pack_returned(message: ReturnedMessage) -> bytes:
    """The payload of a row of the outbox with this message alone."""
    return _MARK + _pack(message)


def unpack_returned(payload: bytes | memoryview) -> ReturnedMessage | None:
    """The message in a payload; None if the payload holds our own events."""
    # The driver's memoryviews hold characters, which are never equal to bytes.
    return _unpack(payload[1:]) if bytes(payload[:1]) == _MARK else None
