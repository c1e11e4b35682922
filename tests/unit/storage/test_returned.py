"""Messages that an operator puts back: their envelope, their frames, their form in the outbox."""

from typing import Any

import pika.frame
import pika.spec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.broker.amqp.envelopes import EnvelopeEncoder
from swpt_accounts.broker.delivery import kept_properties
from swpt_accounts.broker.memory.envelopes import headers_of
from swpt_accounts.storage.outbox.returned import ReturnedMessage, pack_returned, returned
from swpt_accounts.storage.outbox.rows import unpack
from swpt_accounts.wire.routing import binary_key
from tests.backstage.message_bodies import CONFIGURE, PENDING, body_of

OLD_KEY = "some.old.key"
texts = st.text(max_size=40).filter(lambda text: len(text.encode()) < 256)


def encoded(**properties: object) -> bytes:
    """Properties as pika writes them."""
    return b"".join(pika.spec.BasicProperties(**properties).encode())


def frames_of(message: ReturnedMessage, encoder: EnvelopeEncoder) -> list[Any]:
    """The frames of a message as pika reads them."""
    out: list[bytes] = []
    encoder.frames(message.envelop(), out)
    data, found = b"".join(out), []
    while data:
        size, frame = pika.frame.decode_frame(data)
        found.append(frame)
        data = data[size:]
    return found


@given(
    body=st.binary(max_size=300),
    content_type=st.none() | texts,
    name=st.none() | texts,
    user_id=st.none() | texts,
    headers=st.none() | st.dictionaries(texts, texts, max_size=2),
)
def test_what_the_server_looks_at_travels_as_it_came(body, content_type, name, user_id, headers):
    """Body, content_type and type are the same bytes; user_id and headers are left behind."""
    came = encoded(content_type=content_type, type=name, user_id=user_id, headers=headers, priority=3)
    message = returned(body, name, OLD_KEY, kept_properties(came))
    method, header, *bodies = frames_of(message, EnvelopeEncoder("accounts", 200))
    assert method.method.exchange == "accounts_in"
    assert method.method.mandatory
    assert b"".join(part.fragment for part in bodies) == body
    assert header.body_size == len(body)
    assert header.properties == pika.spec.BasicProperties(
        content_type=content_type, type=name, delivery_mode=2
    )


def test_a_user_is_named_if_one_is_given():
    """Never the one who had sent it."""
    came = encoded(type="ConfigureAccount", user_id="agent")
    _, header, *_ = frames_of(
        returned(b"{}", "ConfigureAccount", OLD_KEY, kept_properties(came, user_id="server")),
        EnvelopeEncoder(),
    )
    assert header.properties.user_id == "server"


def test_it_never_travels_under_our_own_name():
    """A credit that is put back has no user_id, though the publisher has one for our own credits."""
    message = returned(body_of(PENDING), PENDING, OLD_KEY, kept_properties(encoded(type=PENDING)))
    assert message.type == PENDING
    properties = EnvelopeEncoder("accounts").properties(message.envelop())
    assert b"accounts" not in properties
    assert headers_of(message.envelop()) == {}


@pytest.mark.parametrize(
    ("body", "key"),
    [
        # the ids can be read: to the account, whatever the old key was
        (body_of(CONFIGURE, debtor_id="2", creditor_id="1"), binary_key(2, 1)),
        (b'{"debtor_id":-1,"creditor_id":0,"type":["?"]}', binary_key(-1, 0)),
        # they cannot: as it was addressed before
        (body_of(CONFIGURE, debtor_id="9223372036854775808"), OLD_KEY),
        (body_of(CONFIGURE, debtor_id="1" * 5000), OLD_KEY),
        (body_of(CONFIGURE, debtor_id="1.5"), OLD_KEY),
        (body_of(CONFIGURE, without="creditor_id"), OLD_KEY),
        (b'{"debtor_id":1,"creditor_id":1,"x":' + b"[" * 60000, OLD_KEY),
        (b"\xff\xfe", OLD_KEY),
        (b"", OLD_KEY),
    ],
)
def test_it_goes_to_the_shard_of_its_account(body, key):
    """The routing key is that of the account if the ids can be read, else the one that it came with."""
    assert returned(body, CONFIGURE, OLD_KEY, b"\0\0").routing_key == key


@pytest.mark.parametrize(
    ("type_property", "body", "type_shown"),
    [
        (CONFIGURE, b"?", CONFIGURE),
        (None, body_of(CONFIGURE), CONFIGURE),
        (None, b"?", "Malformed"),
        ("", body_of(CONFIGURE), "Malformed"),
        ("AccountUpdate", body_of(CONFIGURE), "Malformed"),
        (None, b'{"debtor_id":1,"creditor_id":1,"type":{}}', "Malformed"),
    ],
)
def test_the_outbox_counts_it_by_its_type(type_property, body, type_shown):
    """The type property names it, or if that is missing the body; all others are malformed."""
    assert returned(body, type_property, OLD_KEY, b"\0\0").type == type_shown


def test_an_old_key_with_odd_bytes_fits_into_its_field():
    """A key that grew when its odd bytes were spelled out is cut to 255 bytes."""
    message = returned(b"?", None, "é" * 200, b"\0\0")
    assert len(message.routing_key.encode()) <= 255
    assert frames_of(message, EnvelopeEncoder())


@given(body=st.binary(max_size=100), key=texts)
def test_a_row_of_the_outbox_keeps_every_byte(body, key):
    """What the relay unpacks from a row is the envelope that was packed."""
    message = ReturnedMessage("Malformed", key, kept_properties(encoded(type="x")), body)
    packed = pack_returned(message)
    from_driver: Any = memoryview(packed).cast("c")
    for payload in (packed, from_driver):
        assert unpack(payload) == [message.envelop()]
