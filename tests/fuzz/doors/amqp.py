"""The bytes of a connection to a broker: however they are split, frames, a wait for more, or one error."""

import json
import struct
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pika.frame
import pika.spec

from swpt_accounts.broker.amqp.content_header import describe
from swpt_accounts.broker.amqp.frames import Frame, FrameReader, Returned
from swpt_accounts.broker.delivery import Delivery, kept_properties
from swpt_accounts.broker.errors import ConnectionLost
from swpt_accounts.wire.numbers import MAX_MESSAGE_BYTES

from .door import Fields
from .mutation import mutated

# Small, so that bodies of some hundred bytes come in several frames.
FRAME_MAX = 4096


class Amqp:
    """`FrameReader`, and what is read off a delivery."""

    name = "amqp"
    code: tuple[str, ...] = (
        "swpt_accounts/broker/amqp/frames.py",
        "swpt_accounts/broker/amqp/content_header.py",
        "swpt_accounts/broker/delivery.py",
    )

    def answer(self, *, data: bytes, cuts: Sequence[int] = ()) -> str:
        """The kinds of the frames, and how it ends."""
        whole, is_whole_garbled = _read([data])
        split, is_split_garbled = _read(_parts(data, cuts))
        assert is_whole_garbled == is_split_garbled, "it depends on the parts whether it can be read"
        assert is_whole_garbled or list(map(_shown, whole)) == list(map(_shown, split))
        for frame in split:
            _look_at(frame)
        kinds = [type(frame).__name__ for frame in whole]
        return ", ".join([*kinds, "garbled" if is_whole_garbled else "waits for more"])

    def seeds(self) -> list[Fields]:
        """Frames as a broker sends them."""
        return [{"data": data, "cuts": []} for data in _examples()]

    def changed(self, fields: Fields, random: Random) -> Fields:
        """Other bytes, one more frame, or other parts."""
        kind, data = random.randrange(10), fields["data"]
        if kind < 2:
            return {**fields, "cuts": sorted(random.sample(range(700), random.randrange(6)))}
        if kind < 5:
            data += _frame(random)
        elif kind < 6:
            data = b"".join(_frame(random) for _ in range(4))
        elif kind < 7:
            data += random.choice(_examples())
        else:
            data = mutated(data, _TOKENS, random)
        return {**fields, "data": data}


def _read(parts: Sequence[bytes]) -> tuple[list[Frame], bool]:
    reader = FrameReader(FRAME_MAX)
    frames: list[Frame] = []
    for part in parts:
        try:
            frames += reader.feed(part)
        except ConnectionLost:
            return frames, True
        kept = len(reader._rest) + sum(map(len, reader._chunks)) + 64 * len(reader._chunks)
        assert kept <= len(part) + FRAME_MAX + 65 * MAX_MESSAGE_BYTES, f"{kept} bytes are kept"
        assert all(reader._chunks), "something is kept of a frame with nothing in it"
    return frames, False


def _parts(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in pairwise(places)]


def _look_at(frame: Frame) -> None:
    """Whatever the content header is, what is asked of it is answered."""
    delivery = frame.delivery if isinstance(frame, Returned) else frame
    if isinstance(delivery, Delivery):
        assert len(delivery.body) == min(delivery.body_size, MAX_MESSAGE_BYTES)
        assert delivery.delivery_count >= 0
        for text in (delivery.content_type, delivery.type, delivery.user_id, delivery.exchange):
            assert text is None or "\0" not in text
        json.dumps(describe(delivery.properties), allow_nan=False)
        kept = kept_properties(delivery.properties, user_id="somebody")
        assert "unreadable" not in describe(kept)


def _shown(frame: Frame) -> str:
    if isinstance(frame, Returned):
        return f"returned {_shown(frame.delivery)}"
    if isinstance(frame, Delivery):
        return repr([getattr(frame, name) for name in frame.__struct_fields__])
    return repr(frame)


# -- frames -----------------------------------------------------------------------------------

_TOKENS = [
    b"\xce",
    b"\x01\x00\x01",
    b"\x02\x00\x01\x00\x00\x00\x0e",
    b"\x03\x00\x01\x00\x00\x00\x00\xce",
    b"\x08\x00\x00\x00\x00\x00\x00\xce",
    b"\x00\x3c\x00\x3c",
    b"\x00\x3c\x00\x32",
    b"\x00\x3c\x00\x50",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xff" * 8,
    b"\x10x-delivery-count",
    b"F\x00\x00\x00\x05",
    b"\x00V",
]


def _examples() -> list[bytes]:
    """Frames as pika writes them."""
    properties = pika.spec.BasicProperties(
        content_type="application/json",
        type="PrepareTransfer",
        headers={"x-delivery-count": 3, "a": [1, "b"]},
    )
    header = pika.frame.Header(1, 5, properties).marshal()
    body = pika.frame.Body(1, b"12345").marshal()
    deliver = pika.frame.Method(1, pika.spec.Basic.Deliver("c", 1, False, "accounts_in", "0.1")).marshal()
    returned = pika.frame.Method(1, pika.spec.Basic.Return(312, "NO_ROUTE", "to_creditors", "0")).marshal()
    confirm = pika.frame.Method(1, pika.spec.Basic.Ack(7, True)).marshal()
    closed = pika.frame.Method(1, pika.spec.Channel.Close(406, "no", 60, 40)).marshal()
    return [deliver + header + body, returned + header + body, confirm, closed, header, body, deliver + body]


def _frame(random: Random) -> bytes:
    """A frame of any kind, whose parts may not fit together."""
    payload = random.choice([_deliver, _confirm, _header, _body])(random)
    kind = random.choice([1, 1, 2, 2, 3, 3, 3, 8, 0, 255])
    size = len(payload) if random.random() < 0.9 else random.choice([0, FRAME_MAX, FRAME_MAX + 1, 2**32 - 1])
    return struct.pack("!BHI", kind, random.choice([1, 1, 0, 7]), size) + payload + b"\xce"


def _short(random: Random) -> bytes:
    text = random.randbytes(random.randrange(9))
    return bytes([len(text) if random.random() < 0.9 else 255]) + text


def _number(random: Random) -> bytes:
    return struct.pack("!Q", random.choice([0, 1, 5, 20, 65536, 65537, 2**32, 2**63, 2**64 - 1]))


def _deliver(random: Random) -> bytes:
    return b"\0\x3c\0\x3c" + _short(random) + _number(random) + b"\0" + _short(random) + _short(random)


def _confirm(random: Random) -> bytes:
    return random.choice([b"\0\x3c\0\x50", b"\0\x3c\0\x78"]) + _number(random) + random.randbytes(1)


def _header(random: Random) -> bytes:
    return b"\0\x3c\0\0" + _number(random) + random.randbytes(random.randrange(30))


def _body(random: Random) -> bytes:
    return b"x" * random.choice([0, 1, 5, 20, FRAME_MAX])
