"""The frames that a broker sends, cut out of the byte stream: our own half of AMQP 0-9-1.

Only what arrives by the thousand is decoded here: deliveries, returned messages and
publisher confirms.  Every other method is handed on as bytes, for pika's decoder.  There
is one channel, number 1; channel 0 is the connection itself.
"""

from hashlib import sha256
from struct import Struct, error
from typing import Final, TypeAlias

import msgspec

from swpt_accounts.broker.delivery import Delivery, readable
from swpt_accounts.broker.errors import ConnectionLost
from swpt_accounts.wire import numbers

CHANNEL: Final = 1
FRAME_END: Final = 0xCE
METHOD_FRAME: Final = 1
HEADER_FRAME: Final = 2
BODY_FRAME: Final = 3
HEARTBEAT_FRAME: Final = 8
HEARTBEAT: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_FRAME_HEAD: Final = Struct("!BHI").unpack_from
_U64: Final = Struct("!Q").unpack_from
_TAG_AND_BIT: Final = Struct("!QB").unpack_from
_ACK_FRAME: Final = Struct("!BHIIQBB")

_DELIVER: Final = b"\x00\x3c\x00\x3c"
_RETURN: Final = b"\x00\x3c\x00\x32"
_ACK: Final = b"\x00\x3c\x00\x50"
_NACK: Final = b"\x00\x3c\x00\x78"


class Returned(msgspec.Struct, frozen=True, gc=False):
    """A message that no queue wanted."""

    delivery: Delivery
    """The message as it came back; its tag is 0, because the broker names none."""


class Confirm(msgspec.Struct, frozen=True, gc=False):
    """The broker's answer to published messages."""

    tag: int
    multiple: bool
    """Whether all unanswered messages up to the tag are meant."""

    is_ack: bool


class Method(msgspec.Struct, frozen=True, gc=False):
    """Any other method, undecoded."""

    channel: int
    payload: bytes


Frame: TypeAlias = Delivery | Returned | Confirm | Method

_Content: TypeAlias = tuple[bool, int, str, str, bool]
"""Whether it is a return, then tag, exchange, routing key, redelivered."""


def ack(tag: int) -> bytes:
    """The frame that acknowledges all deliveries up to `tag`."""
    return _ACK_FRAME.pack(METHOD_FRAME, CHANNEL, 13, 0x003C0050, tag, 1, FRAME_END)


def requeue(tag: int) -> bytes:
    """The frame that gives back all deliveries up to `tag`; 0 means all there are."""
    return _ACK_FRAME.pack(METHOD_FRAME, CHANNEL, 13, 0x003C0078, tag, 3, FRAME_END)


class FrameReader:
    """Turns the bytes of a connection into frames, however they are split.

    A body beyond numbers.MAX_MESSAGE_BYTES is not kept: its head, its full length and its
    SHA-256 are.  So one message never takes more memory than a frame and that limit.
    """

    def __init__(self, frame_max: int = 131072) -> None:
        self.frame_max = frame_max
        self._rest = b""
        self._content: _Content | None = None
        self._properties = b""
        self._body_size = 0
        self._body_seen = 0
        self._chunks: list[bytes] = []
        self._digest = sha256()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now.

        Raises ConnectionLost for bytes that are no AMQP frames.
        """
        if self._rest:
            data = self._rest + data
        frames: list[Frame] = []
        at, end = 0, len(data)
        try:
            while end - at >= 8:
                kind, channel, size = _FRAME_HEAD(data, at)
                if size > self.frame_max:
                    raise _garbled()
                start = at + 7
                stop = start + size
                if stop >= end:
                    break
                if data[stop] != FRAME_END:
                    raise _garbled()
                at = stop + 1
                frame = self._frame(kind, channel, data, start, stop)
                if frame is not None:
                    frames.append(frame)
        except (IndexError, error):
            raise _garbled() from None
        self._rest = data[at:] if at else data
        return frames

    def _frame(self, kind: int, channel: int, data: bytes, start: int, stop: int) -> Frame | None:
        if kind == BODY_FRAME:
            return self._body_frame(data[start:stop])
        if kind == HEADER_FRAME:
            if start + 14 > stop or self._body_seen:
                raise _garbled()
            (self._body_size,) = _U64(data, start + 4)
            self._properties = data[start + 12 : stop]
            return self._finished(b"", None) if self._body_size == 0 else None
        if kind == METHOD_FRAME:
            return self._method_frame(channel, data, start, stop)
        if kind == HEARTBEAT_FRAME:
            return None
        raise _garbled()

    def _method_frame(self, channel: int, data: bytes, start: int, stop: int) -> Frame | None:
        method = data[start : start + 4]
        if method == _DELIVER:
            at = start + 5 + data[start + 4]  # behind the consumer tag
            tag, redelivered = _TAG_AND_BIT(data, at)
            exchange, at = _short_string(data, at + 9)
            routing_key, at = _short_string(data, at)
            self._begin((False, tag, exchange, routing_key, bool(redelivered)), is_whole=at <= stop)
            return None
        if method in (_ACK, _NACK):
            if start + 13 > stop:
                raise _garbled()
            tag, bits = _TAG_AND_BIT(data, start + 4)
            return Confirm(tag, bool(bits & 1), method == _ACK)
        if method == _RETURN:
            at = start + 7 + data[start + 6]  # behind the code and its text
            exchange, at = _short_string(data, at)
            routing_key, at = _short_string(data, at)
            self._begin((True, 0, exchange, routing_key, False), is_whole=at <= stop)
            return None
        return Method(channel, data[start:stop])

    def _begin(self, content: _Content, *, is_whole: bool) -> None:
        """Wait for the content of a method that lies within its frame, when there is no other to wait for."""
        if self._content is not None or not is_whole:
            raise _garbled()
        self._content = content

    def _body_frame(self, chunk: bytes) -> Frame | None:
        """Take a part of a body; most bodies come in one."""
        size = self._body_size
        if len(chunk) == size and not self._body_seen and size <= numbers.MAX_MESSAGE_BYTES:
            return self._finished(chunk, None)
        room = numbers.MAX_MESSAGE_BYTES - self._body_seen
        # A frame with nothing in it brings the body no nearer to its end: it must not be kept.
        if room > 0 and chunk:
            self._chunks.append(chunk[:room])
        self._body_seen += len(chunk)
        is_cut = size > numbers.MAX_MESSAGE_BYTES
        if is_cut:
            self._digest.update(chunk)
        if self._body_seen < size:
            return None
        if self._body_seen > size:
            raise _garbled()
        return self._finished(b"".join(self._chunks), self._digest.digest() if is_cut else None)

    def _finished(self, body: bytes, digest: bytes | None) -> Frame:
        content = self._content
        if content is None:
            raise _garbled()
        is_return, tag, exchange, routing_key, redelivered = content
        delivery = Delivery(
            tag, exchange, routing_key, redelivered, self._properties, body, self._body_size, digest
        )
        self._content = None
        if self._body_seen:
            self._body_seen = 0
            self._chunks = []
            self._digest = sha256()
        return Returned(delivery) if is_return else delivery


def _short_string(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return readable(data[at + 1 : end]), end


def _garbled() -> ConnectionLost:
    return ConnectionLost("the broker sent bytes that are no AMQP frames")
