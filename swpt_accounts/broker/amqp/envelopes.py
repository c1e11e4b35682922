"""Envelopes as the frames of basic.publish: the other half of our own AMQP 0-9-1.

The messages of one type differ in their numbers and bodies only.  So all that stands
between those is made once per shape (exchange, type, widths of the integers, ...), and a
message costs one `Struct.pack` (rules.md#properties-and-headers).
"""

from collections.abc import Callable
from functools import lru_cache
from struct import Struct, pack
from typing import Final, TypeAlias

from swpt_accounts.broker.delivery import APP_ID, CONTENT_TYPE, DELIVERY_MODE, HEADERS, TYPE, USER_ID
from swpt_accounts.events import Envelope, PendingBalanceChange
from swpt_accounts.wire import numbers

from .frames import BODY_FRAME, CHANNEL, FRAME_END, HEADER_FRAME, METHOD_FRAME

APP: Final = b"swpt_accounts"
JSON: Final = b"application/json"
PERSISTENT: Final = b"\x02"

_FRAME_HEAD: Final = Struct("!BHI")
_FRAME_OVERHEAD: Final = _FRAME_HEAD.size + 1
_END: Final = bytes((FRAME_END,))
_PUBLISH: Final = b"\x00\x3c\x00\x28\x00\x00"
_BASIC: Final = b"\x00\x3c\x00\x00"
_INTERNAL_TYPE: Final = PendingBalanceChange.__name__

_Shape: TypeAlias = Callable[..., bytes]
"""Packs (routing key, size of the body, *integers of the headers, size of the body)."""


class EnvelopeEncoder:
    """Writes envelopes as frames, and as the raw properties that their receivers see."""

    def __init__(self, internal_user: str = "", frame_max: int = 131072) -> None:
        self._internal_user = internal_user
        self._body_max = frame_max - _FRAME_OVERHEAD

    def frames(self, envelope: Envelope, out: list[bytes]) -> None:
        """Append the frames of one message to `out`, in parts that only make sense joined."""
        body = envelope.body
        size = len(body)
        head = self._head(envelope, size)
        if 0 < size <= self._body_max:
            out += (head, body, _END)
            return
        out.append(head[: -_FRAME_HEAD.size])
        for at in range(0, size, self._body_max):
            part = body[at : at + self._body_max]
            out += (_FRAME_HEAD.pack(BODY_FRAME, CHANNEL, len(part)), part, _END)

    def properties(self, envelope: Envelope) -> bytes:
        """The flags and values of the content header."""
        head = self._head(envelope, 0)
        method_frame = _FRAME_OVERHEAD + _FRAME_HEAD.unpack_from(head)[2]
        return head[method_frame + _FRAME_HEAD.size + 12 : -_FRAME_HEAD.size - 1]

    def _head(self, envelope: Envelope, size: int) -> bytes:
        """The method frame, the content header frame, and the head of a body frame."""
        if envelope.properties is not None:
            return _given_head(envelope, envelope.properties, size)
        debtor_id = envelope.debtor_id
        creditor_id = envelope.creditor_id
        coordinator_id = envelope.coordinator_id
        key = envelope.routing_key.encode()
        shape = _shape(
            envelope.exchange,
            len(key),
            envelope.mandatory,
            envelope.type,
            -0x80000000 <= debtor_id <= 0x7FFFFFFF,
            -0x80000000 <= creditor_id <= 0x7FFFFFFF,
            None if coordinator_id is None else numbers.MIN_INT32 <= coordinator_id <= numbers.MAX_INT32,
            envelope.coordinator_type,
            self._internal_user if envelope.type == _INTERNAL_TYPE else "",
        )
        if coordinator_id is None:
            return shape(key, size, debtor_id, creditor_id, size)
        return shape(key, size, debtor_id, creditor_id, coordinator_id, size)


def _given_head(envelope: Envelope, properties: bytes, size: int) -> bytes:
    """The same for a message whose properties are given; those are rare."""
    key = envelope.routing_key.encode()
    publish = _PUBLISH + _short(envelope.exchange.encode()) + _short(key) + bytes((envelope.mandatory,))
    header = _BASIC + pack("!Q", size) + properties
    return b"".join(
        (
            _FRAME_HEAD.pack(METHOD_FRAME, CHANNEL, len(publish)) + publish + _END,
            _FRAME_HEAD.pack(HEADER_FRAME, CHANNEL, len(header)) + header + _END,
            _FRAME_HEAD.pack(BODY_FRAME, CHANNEL, size),
        )
    )


@lru_cache(maxsize=4096)
def _shape(
    exchange: str,
    key_size: int,
    is_mandatory: bool,
    type_: str,
    is_debtor_short: bool,
    is_creditor_short: bool,
    is_coordinator_short: bool | None,
    coordinator_type: str | None,
    user_id: str,
) -> _Shape:
    """Prepare the packing of messages that differ in their numbers only."""
    publish = _PUBLISH + _short(exchange.encode()) + bytes((key_size,))
    publish_head = _FRAME_HEAD.pack(METHOD_FRAME, CHANNEL, len(publish) + key_size + 1)
    first = _short(b"message-type") + _long(type_.encode()) + _integer(b"debtor-id", is_debtor_short)
    second = _integer(b"creditor-id", is_creditor_short)
    widths = _width(is_debtor_short) + _width(is_creditor_short)
    third = last = b""
    if is_coordinator_short is not None:
        third = _integer(b"coordinator-id", is_coordinator_short)
        last = _short(b"coordinator-type") + _long((coordinator_type or "").encode())
        widths += _width(is_coordinator_short)
    table_size = len(first) + len(second) + len(third) + len(last) + widths
    flags = CONTENT_TYPE | HEADERS | DELIVERY_MODE | TYPE | APP_ID | (USER_ID if user_id else 0)
    opening = pack("!H", flags) + _short(JSON) + pack("!I", table_size)
    user = _short(user_id.encode()) if user_id else b""
    closing = PERSISTENT + _short(type_.encode()) + user + _short(APP)
    header_size = len(_BASIC) + 8 + len(opening) + table_size + len(closing)
    middle = bytes((is_mandatory,)) + _END + _FRAME_HEAD.pack(HEADER_FRAME, CHANNEL, header_size) + _BASIC
    end = last + closing + _END + pack("!BH", BODY_FRAME, CHANNEL)
    return _packer(
        publish_head + publish,
        f"{key_size}s",
        middle,
        "Q",
        opening + first,
        _form(is_debtor_short),
        second,
        _form(is_creditor_short),
        *(() if is_coordinator_short is None else (third, _form(is_coordinator_short))),
        end,
        "I",
    )


def _packer(*parts: bytes | str) -> _Shape:
    """One `Struct.pack` for fixed texts that alternate with slots, the texts bound to it."""
    layout = Struct("!" + "".join(part if isinstance(part, str) else f"{len(part)}s" for part in parts)).pack
    texts = [part for part in parts if isinstance(part, bytes)]
    if len(texts) == 5:
        a, b, c, d, e = texts
        return lambda key, size, debtor, creditor, again: layout(
            a, key, b, size, c, debtor, d, creditor, e, again
        )
    a, b, c, d, e, f = texts
    return lambda key, size, debtor, creditor, coordinator, again: layout(
        a, key, b, size, c, debtor, d, creditor, e, coordinator, f, again
    )


def _integer(name: bytes, is_short: bool) -> bytes:
    return _short(name) + (b"I" if is_short else b"l")


def _form(is_short: bool) -> str:
    return "i" if is_short else "q"


def _width(is_short: bool) -> int:
    return 4 if is_short else 8


def _short(text: bytes) -> bytes:
    return bytes((len(text),)) + text


def _long(text: bytes) -> bytes:
    return b"S" + pack("!I", len(text)) + text
