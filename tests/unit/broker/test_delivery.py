"""Looking properties up in an undecoded content header."""

import struct

import pika.data
import pika.spec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.broker.delivery import Delivery, delivery_count, header_table

texts = st.text(max_size=20).filter(lambda text: "\0" not in text and len(text.encode()) < 256)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def delivery(properties: bytes) -> Delivery:
    """A delivery with these properties."""
    return Delivery(1, "accounts_in", "0.1", False, properties, b"{}", 2)


def encoded(**properties: object) -> bytes:
    """Properties as pika writes them."""
    return b"".join(pika.spec.BasicProperties(**properties).encode())


def with_table(table: bytes) -> bytes:
    """Properties of a header table alone."""
    return b"\x20\x00" + struct.pack("!I", len(table)) + table


@given(
    content_type=st.none() | texts,
    content_encoding=st.none() | texts,
    headers=st.none() | st.dictionaries(texts, values, max_size=4),
    delivery_mode=st.none() | st.integers(1, 2),
    priority=st.none() | st.integers(0, 255),
    correlation_id=st.none() | texts,
    reply_to=st.none() | texts,
    expiration=st.none() | texts,
    message_id=st.none() | texts,
    timestamp=st.none() | st.integers(0, 2**64 - 1),
    type=st.none() | texts,
    user_id=st.none() | texts,
    app_id=st.none() | texts,
    cluster_id=st.none() | texts,
)
def test_properties_are_found_among_all_others(**properties):
    """The three properties that matter are found whatever else is set."""
    found = delivery(encoded(**properties))
    assert found.content_type == properties["content_type"]
    assert found.type == properties["type"]
    assert found.user_id == properties["user_id"]
    assert found.delivery_count == 0


@given(st.binary(max_size=120))
def test_no_properties_raise(raw):
    """Whatever the bytes of a content header are, looking into them raises nothing."""
    found = delivery(raw)
    assert found.content_type is None or isinstance(found.content_type, str)
    assert found.type is None or isinstance(found.type, str)
    assert found.user_id is None or isinstance(found.user_id, str)
    assert found.delivery_count >= 0


@given(st.dictionaries(texts, values, max_size=4), st.integers(0, 2**63 - 1), st.dictionaries(texts, values))
def test_the_delivery_count_is_found_among_headers_of_all_types(before, count, after):
    """`x-delivery-count` is found behind headers of every type that pika can write."""
    headers = before | {"x-delivery-count": count} | after
    headers["x-delivery-count"] = count
    assert delivery(encoded(type="X", headers=headers)).delivery_count == count


@pytest.mark.parametrize(
    ("kind", "raw", "count"),
    [
        (b"b", b"\x05", 5),
        (b"B", b"\xff", 255),
        (b"s", b"\x00\x07", 7),
        (b"U", b"\x00\x07", 7),
        (b"u", b"\xff\xff", 65535),
        (b"I", b"\x00\x00\x00\x09", 9),
        (b"i", b"\xff\xff\xff\xff", 2**32 - 1),
        (b"l", b"\x00" * 7 + b"\x03", 3),
        (b"L", b"\x00" * 7 + b"\x03", 3),
        # odd ones
        (b"l", b"\xff" * 8, 0),
        (b"S", b"\x00\x00\x00\x015", 0),
        (b"t", b"\x01", 0),
        (b"V", b"", 0),
        (b"?", b"\x01", 0),
        (b"l", b"\x00\x01", 0),
    ],
)
def test_every_integer_type_counts(kind, raw, count):
    """All integer types of AMQP are understood; anything else counts as zero."""
    timestamp = b"\x01t" + b"T" + struct.pack("!Q", 2**63)
    assert delivery_count(with_table(timestamp + b"\x10x-delivery-count" + kind + raw)) == count


def test_a_header_that_only_looks_alike_does_not_count():
    """The name inside a value is no header."""
    inner = {"x-delivery-count": 7}
    assert delivery(encoded(headers={"a": inner, "b": "x-delivery-count"})).delivery_count == 0


def test_a_cut_table_counts_as_zero():
    """A table that ends too early is odd, not an error."""
    whole = header_table(encoded(headers={"first": "a", "x-delivery-count": 300}))
    for end in range(len(whole)):
        assert delivery_count(with_table(whole[:end])) == 0
    assert delivery_count(with_table(whole)) == 300


def test_text_that_a_database_cannot_store_is_spelled_out():
    """Bytes that are no UTF-8, and NUL, are shown as escapes."""
    found = delivery(b"\x80\x00" + b"\x06a\x00b\xff\xc3\xa9")
    assert found.content_type == "a\\x00b\\xffé"
