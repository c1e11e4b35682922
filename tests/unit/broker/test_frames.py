"""Our half of AMQP that reads, against pika's encoder."""

from hashlib import sha256
from typing import Any

import pika.frame
import pika.spec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.broker.amqp import frames
from swpt_accounts.broker.amqp.frames import Confirm, FrameReader, Method, Returned
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.errors import ConnectionLost

FRAME_MAX = 131072

short_strings = st.text(max_size=60).filter(lambda text: "\0" not in text and len(text.encode()) < 256)
tags = st.integers(min_value=1, max_value=2**63)


def content(body: bytes, frame_max: int = FRAME_MAX, **properties: object) -> bytes:
    """A content header and body frames, as pika writes them."""
    header = pika.frame.Header(1, len(body), pika.spec.BasicProperties(**properties)).marshal()
    step = frame_max - 8
    parts = [body[at : at + step] for at in range(0, len(body), step)]
    return bytes(header + b"".join(pika.frame.Body(1, part).marshal() for part in parts))


def read(data: bytes) -> list[Any]:
    """The frames in the bytes."""
    return list(FrameReader().feed(data))


def deliver(
    tag: int, body: bytes, exchange: str = "accounts_in", key: str = "0.1", frame_max: int = FRAME_MAX
):
    """A delivery, as pika writes it."""
    method = pika.spec.Basic.Deliver("c", tag, False, exchange, key)
    return pika.frame.Method(1, method).marshal() + content(body, frame_max, content_type="application/json")


@given(
    tag=tags,
    redelivered=st.booleans(),
    consumer=short_strings,
    exchange=short_strings,
    key=short_strings,
    body=st.binary(max_size=300),
    type_=st.none() | short_strings,
    content_type=st.none() | short_strings,
    headers=st.none()
    | st.dictionaries(short_strings, st.integers(-(2**63), 2**63 - 1) | st.text(max_size=9)),
)
def test_a_delivery_is_read_as_pika_wrote_it(
    tag, redelivered, consumer, exchange, key, body, type_, content_type, headers
):
    """Every field of basic.deliver, its header and its body arrives as it was sent."""
    method = pika.spec.Basic.Deliver(consumer, tag, redelivered, exchange, key)
    properties = {"type": type_, "content_type": content_type, "headers": headers}
    data = pika.frame.Method(1, method).marshal() + content(body, **properties)
    (delivery,) = read(data)
    assert isinstance(delivery, Delivery)
    assert (delivery.tag, delivery.redelivered) == (tag, redelivered)
    assert (delivery.exchange, delivery.routing_key) == (exchange, key)
    assert (delivery.body, delivery.body_size, delivery.body_sha256) == (body, len(body), None)
    assert (delivery.type, delivery.content_type) == (type_, content_type)
    assert delivery.properties == b"".join(pika.spec.BasicProperties(**properties).encode())


def test_the_stream_may_be_split_anywhere():
    """Whatever the cut, the same frames come out."""
    returned = pika.spec.Basic.Return(312, "NO_ROUTE", "to_creditors", "00.01")
    data = (
        deliver(1, b"one")
        + pika.frame.Heartbeat().marshal()
        + deliver(2, b"")
        + pika.frame.Method(1, pika.spec.Basic.Ack(7, True)).marshal()
        + pika.frame.Method(1, returned).marshal()
        + content(b"back", type="AccountPurge")
        + deliver(3, b"x" * 150, frame_max=64)
    )
    whole = read(data)
    assert len(whole) == 5
    for cut in range(len(data) + 1):
        reader = FrameReader()
        assert reader.feed(data[:cut]) + reader.feed(data[cut:]) == whole
    reader = FrameReader()
    assert [frame for byte in data for frame in reader.feed(bytes((byte,)))] == whole


@given(st.lists(tags.map(lambda tag: (tag, b"%d" % tag)), max_size=20), st.lists(st.integers(1, 200)))
def test_many_deliveries_in_odd_pieces_keep_their_order(messages, sizes):
    """A stream of deliveries is read in order, in whatever pieces it comes."""
    data = b"".join(deliver(tag, body) for tag, body in messages)
    reader = FrameReader()
    found: list[Any] = []
    for size in sizes:
        found += reader.feed(data[:size])
        data = data[size:]
    found += reader.feed(data)
    assert [(frame.tag, frame.body) for frame in found] == messages


@pytest.mark.parametrize("size", [65535, 65536, 65537, 131064, 131065, 400_000])
@pytest.mark.parametrize("frame_max", [4096, FRAME_MAX])
def test_a_body_is_cut_at_64_kib_with_its_length_and_digest(size, frame_max):
    """Of a longer body the head, the full length and the SHA-256 are kept."""
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]
    delivery, following = read(deliver(1, body, frame_max=frame_max) + deliver(2, b"next"))
    assert delivery.body == body[:65536]
    assert delivery.body_size == size
    assert delivery.body_sha256 == (sha256(body).digest() if size > 65536 else None)
    assert (following.body, following.body_size, following.body_sha256) == (b"next", 4, None)


@given(tag=tags, multiple=st.booleans())
def test_confirms_are_read_as_pika_wrote_them(tag, multiple):
    """basic.ack and basic.nack keep their tag and what they cover."""
    ack = pika.frame.Method(1, pika.spec.Basic.Ack(tag, multiple)).marshal()
    nack = pika.frame.Method(1, pika.spec.Basic.Nack(tag, multiple, False)).marshal()
    assert FrameReader().feed(ack + nack) == [Confirm(tag, multiple, True), Confirm(tag, multiple, False)]


def test_a_returned_message_comes_back_whole():
    """basic.return carries exchange, key, properties and body."""
    method = pika.spec.Basic.Return(312, "NO_ROUTE", "to_debtors", "ff.01")
    data = pika.frame.Method(1, method).marshal() + content(b"{}", type="AccountUpdate")
    (frame,) = read(data)
    assert isinstance(frame, Returned)
    assert (frame.delivery.exchange, frame.delivery.routing_key) == ("to_debtors", "ff.01")
    assert (frame.delivery.type, frame.delivery.body) == ("AccountUpdate", b"{}")


def test_other_methods_are_handed_on_for_pika():
    """What is rare comes out as bytes that pika's decoder reads."""
    close = pika.spec.Channel.Close(404, "NOT_FOUND", 60, 40)
    (frame,) = read(pika.frame.Method(1, close).marshal())
    assert isinstance(frame, Method)
    decoded = pika.spec.Channel.Close().decode(frame.payload, 4)
    assert (frame.channel, decoded.reply_code) == (1, 404)


@given(tag=st.integers(min_value=0, max_value=2**63))
def test_our_acks_are_read_by_pika(tag):
    """The frames that acknowledge and give back mean the same to pika."""
    _, ack = pika.frame.decode_frame(frames.ack(tag))
    assert (ack.channel_number, ack.method.delivery_tag, ack.method.multiple) == (1, tag, True)
    assert isinstance(ack.method, pika.spec.Basic.Ack)
    _, nack = pika.frame.decode_frame(frames.requeue(tag))
    assert isinstance(nack.method, pika.spec.Basic.Nack)
    assert (nack.method.delivery_tag, nack.method.multiple, nack.method.requeue) == (tag, True, True)
    assert pika.frame.Heartbeat().marshal() == frames.HEARTBEAT


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another protocol"),
        pytest.param(b"\x01\x00\x01\x00\x00\x00\x01\x00\x00", id="wrong end of frame"),
        pytest.param(b"\x01\x00\x01\x7f\xff\xff\xff" + b"\0" * 9, id="frame beyond the limit"),
        pytest.param(b"\x07\x00\x01\x00\x00\x00\x00\xce", id="unknown kind"),
        pytest.param(b"\x03\x00\x01\x00\x00\x00\x01a\xce", id="body without a header"),
        pytest.param(b"\x01\x00\x01\x00\x00\x00\x05\x00\x3c\x00\x3c\xff\xce", id="cut method"),
        pytest.param(deliver(1, b"")[:-1] + b"\0", id="wrong end of header"),
    ],
)
def test_bytes_that_are_no_frames_end_the_connection(data):
    """Garbage is the connection's fault, reported in one clear exception."""
    with pytest.raises(ConnectionLost):
        FrameReader().feed(data)


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_lost_connection(data):
    """Random bytes behind a valid delivery never raise another exception."""
    reader = FrameReader()
    try:
        reader.feed(deliver(1, b"ok") + data)
    except ConnectionLost:
        pass
