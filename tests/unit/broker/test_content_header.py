"""The content header of a dead letter in words."""

import json
import struct

import pika.spec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.broker.amqp.content_header import describe


def with_table(table: bytes) -> bytes:
    """Properties of a header table alone."""
    return b"\x20\x00" + struct.pack("!I", len(table)) + table


def test_all_properties_are_shown_by_their_names():
    """What pika writes is shown again, timestamps as the number that they are."""
    fields = {
        "content_type": "application/json",
        "content_encoding": "gzip",
        "headers": {"debtor-id": -1, "deep": {"list": [1, "two", None, True]}},
        "delivery_mode": 2,
        "priority": 9,
        "correlation_id": "c",
        "reply_to": "r",
        "expiration": "10",
        "message_id": "m",
        "timestamp": 2**63,
        "type": "ConfigureAccount",
        "user_id": "guest",
        "app_id": "a",
    }
    assert describe(b"".join(pika.spec.BasicProperties(**fields).encode())) == fields


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        (b"T" + b"\x80" + bytes(7), 2**63),  # a timestamp that kills other decoders
        (b"d" + struct.pack("!d", float("nan")), "nan"),
        (b"f" + struct.pack("!f", 0.5), 0.5),
        (b"D" + b"\x02" + struct.pack("!i", 12345), "12345e-2"),
        (b"S" + struct.pack("!I", 3) + b"a\xff\0", "a\\xff\\x00"),
        (b"x" + struct.pack("!I", 2) + b"\1\2", "0102"),
        (b"b\xff", -1),
        (b"B\xff", 255),
        (b"V", None),
    ],
)
def test_every_kind_of_header_is_shown(field, shown):
    """Values that JSON does not know are shown as text."""
    assert describe(with_table(b"\1h" + field)) == {"headers": {"h": shown}}


def test_what_cannot_be_read_is_shown_in_hexadecimal():
    """A header of an unknown kind ends the table, and nothing raises."""
    assert describe(with_table(b"\1h?rest")) == {"headers": {"unreadable": b"rest".hex()}}
    assert describe(b"\x80\x00\x05ab") == {"unreadable": "6162"}


def test_deep_tables_end():
    """Tables within tables are shown to a bounded depth."""
    table = b""
    for _ in range(2000):
        table = b"\1tF" + struct.pack("!I", len(table)) + table
    assert "headers" in describe(with_table(table))


@given(st.binary(max_size=80) | st.binary(max_size=80).map(with_table))
def test_no_bytes_are_too_odd(data):
    """Whatever the bytes are, the answer is something that JSON can hold."""
    json.dumps(describe(data), allow_nan=False)
