"""Our half of AMQP that writes, against pika's decoder."""

from typing import Any

import pika.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.broker.amqp.envelopes import EnvelopeEncoder
from swpt_accounts.broker.delivery import header_table
from swpt_accounts.events import Envelope

int64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**31), -(2**31) - 1, 2**31 - 1, 2**31])
ascii_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def envelope(**changes: object) -> Envelope:
    """The AccountUpdate of rules.md#properties-and-headers."""
    fields: dict[str, Any] = {
        "exchange": "to_creditors",
        "routing_key": "00.00.00.01.00.00.00.01",
        "type": "AccountUpdate",
        "debtor_id": -1,
        "creditor_id": 4294967297,
        "coordinator_type": None,
        "coordinator_id": None,
        "mandatory": True,
        "body": b"{}",
    }
    return Envelope(**(fields | changes))


def written(one: Envelope, encoder: EnvelopeEncoder) -> bytes:
    """The frames of an envelope."""
    out: list[bytes] = []
    encoder.frames(one, out)
    return b"".join(out)


def decoded(data: bytes) -> list[Any]:
    """The frames as pika reads them."""
    found = []
    while data:
        size, frame = pika.frame.decode_frame(data)
        assert size > 0
        found.append(frame)
        data = data[size:]
    return found


def test_the_header_table_is_the_one_of_the_specification():
    """The example of rules.md#properties-and-headers, bit for bit."""
    table = header_table(EnvelopeEncoder().properties(envelope()))
    assert len(table) == 0x43
    assert table == bytes.fromhex(
        "0c 6d 65 73 73 61 67 65 2d 74 79 70 65  53 00 00 00 0d"
        "41 63 63 6f 75 6e 74 55 70 64 61 74 65"
        "09 64 65 62 74 6f 72 2d 69 64           49 ff ff ff ff"
        "0b 63 72 65 64 69 74 6f 72 2d 69 64     6c 00 00 00 01 00 00 00 01"
    )


@given(
    exchange=ascii_texts,
    routing_key=ascii_texts,
    type=st.sampled_from(["AccountUpdate", "AccountPurge", "FinalizedTransfer", "PendingBalanceChange"]),
    debtor_id=int64,
    creditor_id=int64,
    coordinator=st.none() | st.tuples(ascii_texts, int64),
    mandatory=st.booleans(),
    body=st.binary(max_size=200),
    frame_max=st.integers(20, 400),
    internal_user=st.sampled_from(["", "accounts"]),
)
def test_pika_reads_what_we_wrote(coordinator, frame_max, internal_user, **fields):
    """Exchange, key, flags, properties, header types and body come out of pika's decoder unchanged."""
    coordinator_type, coordinator_id = coordinator or (None, None)
    one = envelope(coordinator_type=coordinator_type, coordinator_id=coordinator_id, **fields)
    encoder = EnvelopeEncoder(internal_user, frame_max)
    data = written(one, encoder)
    method, header, *bodies = decoded(data)
    publish = method.method
    assert (publish.exchange, publish.routing_key) == (one.exchange, one.routing_key)
    assert (publish.mandatory, publish.immediate, publish.ticket) == (one.mandatory, False, 0)
    assert b"".join(body.fragment for body in bodies) == one.body
    assert all(0 < len(body.fragment) <= frame_max - 8 for body in bodies)
    assert header.body_size == len(one.body)
    properties = header.properties
    assert properties.content_type == "application/json"
    assert (properties.type, properties.app_id, properties.delivery_mode) == (one.type, "swpt_accounts", 2)
    is_internal = one.type == "PendingBalanceChange" and internal_user
    assert properties.user_id == (internal_user if is_internal else None)
    headers = {"message-type": one.type, "debtor-id": one.debtor_id, "creditor-id": one.creditor_id}
    if coordinator_id is not None:
        headers |= {"coordinator-id": coordinator_id, "coordinator-type": coordinator_type}
    assert properties.headers == headers
    for name in ("content_encoding", "priority", "correlation_id", "reply_to", "expiration", "message_id"):
        assert getattr(properties, name) is None
    assert properties.timestamp is None
    assert b"".join(properties.encode()) == encoder.properties(one)


@pytest.mark.parametrize("number", [0, -1, 2**31 - 1, -(2**31), 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
def test_signed_integers_take_the_type_that_fits(number):
    """32 bits are `I`, more are `l` (rules.md#properties-and-headers)."""
    kind = b"I" if -(2**31) <= number < 2**31 else b"l"
    table = header_table(EnvelopeEncoder().properties(envelope(debtor_id=number)))
    assert b"\x09debtor-id" + kind in table


def test_the_user_is_named_in_internal_messages_only():
    """user_id is for PendingBalanceChange, and only if there is an internal user."""
    encoder = EnvelopeEncoder("accounts")
    assert b"\x08accounts\x0dswpt_accounts" in encoder.properties(envelope(type="PendingBalanceChange"))
    assert b"\x08accounts" not in encoder.properties(envelope())
    assert b"\x08accounts" not in EnvelopeEncoder().properties(envelope(type="PendingBalanceChange"))


def test_a_long_body_is_split_into_frames():
    """No frame is longer than the broker allows."""
    body = b"x" * 300_000
    frames = decoded(written(envelope(body=body), EnvelopeEncoder(frame_max=131072)))
    assert [len(frame.fragment) for frame in frames[2:]] == [131064, 131064, 37872]
