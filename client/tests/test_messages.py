"""Both codecs, the client's and the server's, written independently, understand each other."""

import json
import sys
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_client import limits
from swpt_client.messages import (
    SERVER_MESSAGE_TYPES,
    AccountTransfer,
    AccountUpdate,
    PreparedTransfer,
    RejectedTransfer,
    Undecodable,
    address,
    binary_key,
    decode,
    encode,
    hex_key,
)
from swpt_client.messages.diagnosis import diagnose
from swpt_client.moments import render
from swpt_client.testing import strategies as values

from . import server_codec
from .server_messages import account_update

JSON = "application/json"


def event_of(message: Any) -> Any:
    """The server's own form of a message."""
    kind = type(message).__name__
    members = msgspec.structs.asdict(message)
    for field, value in members.items():
        if isinstance(value, date):
            members[field] = value.isoformat()
        elif field not in values.FIELDS:
            members[field] = server_codec.render_timestamp(value)
    return server_codec.EVENT_TYPES[kind](**members)


def body_of(message: Any, **members: Any) -> bytes:
    """The JSON of a message with some members replaced, or left out (`...`)."""
    body = json.loads(server_codec.encode_by_server(event_of(message))) | members
    return json.dumps({name: value for name, value in body.items() if value is not ...}).encode()


PREPARED = PreparedTransfer(
    debtor_id=-1,
    creditor_id=4294967297,
    transfer_id=7,
    coordinator_type="direct",
    coordinator_id=4294967297,
    coordinator_request_id=1,
    locked_amount=1000,
    recipient="5",
    prepared_at=0,
    demurrage_rate=-50.0,
    deadline=1_000_000,
    final_interest_rate_ts=0,
    ts=0,
)
TRANSFER = AccountTransfer(
    debtor_id=-1,
    creditor_id=4294967297,
    creation_date=date(2026, 11, 21),
    transfer_number=5,
    coordinator_type="direct",
    sender="1",
    recipient="2",
    acquired_amount=10,
    transfer_note="",
    transfer_note_format="",
    committed_at=0,
    principal=10,
    ts=0,
    previous_transfer_number=4,
)

UPDATE = account_update()
REJECTED = RejectedTransfer(
    debtor_id=-1,
    creditor_id=4294967297,
    coordinator_type="direct",
    coordinator_id=4294967297,
    coordinator_request_id=1,
    status_code="TIMEOUT",
    total_locked_amount=0,
    ts=0,
)


# --- both ways ----------------------------------------------------------------------------------


@given(values.server_messages)
def test_what_the_server_writes_is_read(message):
    """Every message of the server arrives as it was meant, on the quick way and on the slow one."""
    kind = type(message).__name__
    body = server_codec.encode_by_server(event_of(message))
    assert decode(body, JSON, kind) == message
    assert decode(body, JSON, None) == message
    assert diagnose(body, kind) == message


@given(values.client_messages)
def test_what_the_client_writes_is_read_by_the_server(message):
    """Every message of the client arrives at the server as it was meant."""
    kind = type(message).__name__
    received = server_codec.decode_by_server(encode(message), JSON, kind)
    assert type(received).__name__ == kind
    for field in type(message).__struct_fields__:
        assert getattr(received, field) == getattr(message, field), field


@given(values.client_messages)
def test_the_members_stand_in_the_order_of_the_protocol(message):
    """A person who compares bodies finds the fields where the protocol has them."""
    written = list(json.loads(encode(message)))
    received = server_codec.decode_by_server(encode(message), JSON, None)
    assert written == ["type", *received.__struct_fields__]


@given(values.server_messages, st.data())
def test_a_wrong_member_is_named(message, data):
    """A member that is missing, null or of another type makes the message malformed, and is named."""
    field = data.draw(st.sampled_from(type(message).__struct_fields__))
    wrong = data.draw(st.sampled_from([..., None, True, [], {}]))
    refused = decode(body_of(message, **{field: wrong}), JSON, None)
    assert isinstance(refused, Undecodable)
    assert refused.reason == "bad_field"
    assert refused.detail.startswith(f"{field}: ")


@given(st.integers(limits.MIN_INT64, limits.MAX_INT64), values.int64s)
def test_both_sides_make_the_same_keys(debtor_id, creditor_id):
    """A message to the server goes where its shard listens."""
    assert binary_key(debtor_id, creditor_id) == server_codec.binary_key(debtor_id, creditor_id)
    assert hex_key(debtor_id) == server_codec.hex_key(debtor_id)


# --- addresses ----------------------------------------------------------------------------------


@given(values.client_messages)
def test_a_message_carries_what_relays_look_at(message):
    """Type and ids stand in the headers; those of the coordinator only where there is one."""
    envelope = address(message)
    assert envelope.exchange == "accounts_in"
    assert envelope.routing_key == binary_key(message.debtor_id, message.creditor_id)
    assert envelope.type == type(message).__name__
    expected = {
        "message-type": envelope.type,
        "debtor-id": message.debtor_id,
        "creditor-id": message.creditor_id,
    }
    if envelope.type != "ConfigureAccount":
        expected["coordinator-id"] = message.coordinator_id
        expected["coordinator-type"] = message.coordinator_type
    assert envelope.headers == expected
    assert envelope.body == encode(message)


@pytest.mark.parametrize(
    ("debtor_id", "creditor_id", "key"),
    [
        (123, 456, "0.0.0.0.1.0.0.0.0.1.0.0.0.1.0.0.0.0.1.1.0.1.0.0"),
        (-1, 0, "1.1.1.1.1.0.0.0.0.1.0.1.1.0.0.0.1.1.0.1.0.0.1.1"),
        (2**63 - 1, -(2**63), "1.0.0.1.0.0.1.0.1.1.0.0.1.0.0.0.0.0.1.0.0.0.1.0"),
    ],
)
def test_the_binary_key(debtor_id, creditor_id, key):
    """The first 24 bits of a sum over both ids, joined by points."""
    assert binary_key(debtor_id, creditor_id) == key


def test_the_hexadecimal_key():
    """Eight bytes, two's complement, joined by points."""
    assert hex_key(4294967297) == "00.00.00.01.00.00.00.01"
    assert hex_key(-2) == "ff.ff.ff.ff.ff.ff.ff.fe"


# --- what is refused ----------------------------------------------------------------------------

GOOD = body_of(PREPARED)


@pytest.mark.parametrize(
    ("body", "content_type", "type_property", "reason"),
    [
        # each check fails for itself, and the next ones would fail too
        (b"\xff" + b"[" * 65536, "text/plain", "?", "too_large"),
        (b"\xff" + b"[" * 100, None, "?", "bad_content_type"),
        (b"\xff" + b"[" * 100, "application/json ", "?", "bad_content_type"),
        (b"\xff" + b"[" * 100, JSON, "ConfigureAccount", "unknown_type"),
        (b"\xff" + b"[" * 100, JSON, "", "unknown_type"),
        (b"\xff" + b"[" * 100, JSON, None, "bad_encoding"),
        (b"\xef\xbb\xbf" + GOOD, JSON, None, "bad_encoding"),
        (b"[" * 33, JSON, None, "too_deep"),
        (GOOD[:-1] + b',"x":' + b"[" * 32 + b"]" * 32 + b"}", JSON, None, "too_deep"),
        (b"[" * 32, JSON, None, "bad_json"),
        (GOOD + b" x", JSON, None, "bad_json"),
        (b"", JSON, None, "bad_json"),
        (GOOD[:-1] + b',"x":NaN}', JSON, None, "bad_json"),
        (GOOD[:-1] + b',"x":"\\u0000"}', JSON, None, "bad_json"),
        (GOOD[:-1] + b',"\\ud800":1}', JSON, None, "bad_json"),
        (GOOD[:-1] + b',"recipient":"\\udc00","recipient":"5"}', JSON, None, "bad_json"),
        (GOOD[:-1] + b',"x":"\x01"}', JSON, None, "bad_json"),
        (GOOD[:-1] + b',"x":"\xff"}', JSON, None, "bad_encoding"),
        (b"[]", JSON, None, "not_an_object"),
        (b"null", JSON, None, "not_an_object"),
        (b"{}", JSON, None, "type_mismatch"),
        (body_of(PREPARED, type=1), JSON, None, "type_mismatch"),
        (body_of(PREPARED, type="Else"), JSON, None, "type_mismatch"),
        (GOOD, JSON, "AccountUpdate", "type_mismatch"),
        (GOOD[:-1] + b',"x":"\\u0041"}', JSON, "AccountUpdate", "type_mismatch"),
        (body_of(PREPARED, ts=...), JSON, "AccountUpdate", "type_mismatch"),
        (GOOD[:-1] + b',"x":' + b'{"x":' * 32 + b"1" + b"}" * 33, JSON, None, "too_deep"),
        (body_of(PREPARED, ts=...), JSON, None, "bad_field"),
        (body_of(TRANSFER, previous_transfer_number=5), JSON, None, "bad_combination"),
    ],
)
def test_the_first_check_that_fails_gives_the_reason(body, content_type, type_property, reason):
    """The reasons are found in the order in which the server finds them."""
    refused = decode(body, content_type, type_property)
    assert isinstance(refused, Undecodable)
    assert refused.reason == reason


@pytest.mark.parametrize(
    ("message", "members"),
    [
        (PREPARED, {"debtor_id": 2**63}),
        (PREPARED, {"debtor_id": -(2**63) - 1}),
        (PREPARED, {"transfer_id": "7"}),
        (PREPARED, {"transfer_id": 7.0}),
        (PREPARED, {"locked_amount": -1}),
        (PREPARED, {"recipient": "x" * 101}),
        (PREPARED, {"recipient": "é"}),
        (PREPARED, {"coordinator_type": ""}),
        (PREPARED, {"coordinator_type": "x" * 31}),
        (PREPARED, {"coordinator_type": "a\nb"}),
        (PREPARED, {"demurrage_rate": 0.1}),
        (PREPARED, {"demurrage_rate": -100.5}),
        (PREPARED, {"ts": 5}),
        (PREPARED, {"ts": "2026-11-21 10:00:00+00:00"}),
        (PREPARED, {"ts": "2026-11-21T10:00:00"}),
        (PREPARED, {"ts": "2026-11-21t10:00:00z"}),
        (PREPARED, {"ts": "2026-02-30T10:00:00Z"}),
        (PREPARED, {"ts": "2026-11-21T24:00:00Z"}),
        (PREPARED, {"ts": "2026-11-21T10:00:60Z"}),
        (PREPARED, {"ts": "9999-12-31T23:59:59-14:00"}),
        (TRANSFER, {"creation_date": "2026-11-31"}),
        (TRANSFER, {"creation_date": "2026-11-1"}),
        (TRANSFER, {"creation_date": "2026-11-21T00:00:00Z"}),
        (TRANSFER, {"acquired_amount": 0}),
        (TRANSFER, {"transfer_number": 0}),
        (TRANSFER, {"transfer_note": "é" * 251}),
        (TRANSFER, {"transfer_note_format": "a\n"}),
        (TRANSFER, {"transfer_note_format": "a b"}),
        (REJECTED, {"status_code": "x" * 31}),
        (REJECTED, {"status_code": "é"}),
        (REJECTED, {"total_locked_amount": True}),
        (UPDATE, {"interest": "1.0"}),
        (UPDATE, {"interest_rate": True}),
        (TRANSFER, {"transfer_note_format": "123456789"}),
    ],
)
def test_a_member_beyond_its_limits_is_malformed(message, members):
    """What no server may send is not taken, and named."""
    refused = decode(body_of(message, **members), JSON, None)
    assert isinstance(refused, Undecodable)
    assert refused.reason == "bad_field"
    assert refused.detail.startswith(f"{next(iter(members))}: ")


@pytest.mark.parametrize(
    ("digest", "is_good"),
    [("", True), ("0aF" * 21 + "9", True), ("0" * 63, False), ("g" * 64, False), ("0" * 65, False)],
)
@pytest.mark.parametrize("iri", ["https://example.com/", "https://example.com/é"])
def test_a_digest_has_64_hexadecimal_digits(digest, is_good, iri):
    """On the quick way and on the slow one."""
    message = decode(body_of(UPDATE, debtor_info_sha256=digest, debtor_info_iri=iri), JSON, "AccountUpdate")
    if is_good:
        assert isinstance(message, AccountUpdate)
        assert message.debtor_info_sha256 == digest
    else:
        assert isinstance(message, Undecodable)
        assert (message.reason, message.detail[:20]) == ("bad_field", "debtor_info_sha256: ")


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        (GOOD[:-1] + b',"x":NaN}', "bad_json", "NaN is not JSON"),
        (b"{", "bad_json", "Expecting property name enclosed in double quotes (character 1)"),
        (GOOD[:-1] + b',"x":"\\u0000"}', "bad_json", "a string holds U+0000 or a lone surrogate"),
        (b'{"a":"\xff"}', "bad_encoding", "not UTF-8 at byte 6"),
        (b"\xef\xbb\xbf{}", "bad_encoding", "byte order mark"),
        (b"[" * 33, "too_deep", "more than 32 levels of nesting"),
        (b"[]", "not_an_object", "the body is not an object"),
        (b"{}", "type_mismatch", "type: missing, or not a text"),
        (b'{"type":7}', "type_mismatch", "type: missing, or not a text"),
        (b'{"type":"Else"}', "type_mismatch", "type: not that of the message"),
        (body_of(PREPARED, ts=...), "bad_field", "ts: missing"),
        (body_of(PREPARED, ts=5), "bad_field", "ts: must be a timestamp with an offset"),
        (body_of(PREPARED, debtor_id=10**20), "bad_field", "debtor_id: is out of range"),
        (GOOD.replace(b"-50.0", b"-1e500"), "bad_field", "demurrage_rate: must be finite"),
        (body_of(TRANSFER, acquired_amount=0), "bad_field", "acquired_amount: must not be 0"),
        (body_of(REJECTED, status_code="OK"), "bad_field", "status_code: must not be OK"),
        (
            GOOD.replace(b'"direct"', b'"dir\x7fct"'),
            "bad_field",
            "coordinator_type: must be 1 to 30 printable ASCII characters",
        ),
        (
            body_of(TRANSFER, previous_transfer_number=5),
            "bad_combination",
            "previous_transfer_number: must be less than transfer_number",
        ),
    ],
)
def test_an_operator_reads_what_is_wrong(body, reason, detail):
    """In the dead letters, on the quick way and on the slow one."""
    assert decode(body, JSON, None) == Undecodable(reason, detail)
    assert diagnose(body, None) == Undecodable(reason, detail)


def test_what_was_never_looked_into_is_named_as_well():
    """Its size, its content type, its type."""
    assert decode(b"x" * 65537, JSON, None) == Undecodable("too_large", "more than 65536 bytes")
    assert decode(GOOD, None, None) == Undecodable(
        "bad_content_type", "the content type is not application/json"
    )
    assert decode(GOOD, JSON, "Else") == Undecodable(
        "unknown_type", "the type property is not a message type that clients receive"
    )


@pytest.mark.parametrize(
    ("members", "interest", "rate"),
    [
        ({"interest": 5, "interest_rate": -50}, 5.0, -50.0),
        ({"interest": 10**25, "interest_rate": 10**21}, 1e25, 1e21),
        ({"interest": -0.5, "interest_rate": -100.0}, -0.5, -100.0),
    ],
)
def test_the_slow_way_takes_integers_for_floats(members, interest, rate):
    """Of whatever length; and gives floats."""
    for message in (
        diagnose(body_of(UPDATE, **members), None),
        decode(body_of(UPDATE, **members), JSON, None),
    ):
        assert isinstance(message, AccountUpdate)
        assert (message.interest, message.interest_rate) == (interest, rate)
        assert type(message.interest) is type(message.interest_rate) is float


def test_a_body_may_have_64_kilobytes_and_32_levels():
    """Not one more, and not one less."""
    assert isinstance(decode(GOOD.ljust(65536), JSON, None), PreparedTransfer)
    assert isinstance(decode(GOOD.ljust(65537), JSON, None), Undecodable)
    deep = GOOD[:-1] + b',"x":' + b'{"x":' * 31 + b"1" + b"}" * 32
    assert isinstance(decode(deep, JSON, None), PreparedTransfer)


def test_only_what_is_within_each_other_is_deep():
    """Forty empty lists are not, and they hide nothing that is."""
    wide = GOOD[:-1] + b',"x":[' + b"[]," * 40 + b"1]}"
    assert isinstance(decode(wide, JSON, None), PreparedTransfer)
    hidden = wide[:-1] + b',"y":' + b"[" * 32 + b"]" * 32 + b"}"
    assert decode(hidden, JSON, None) == Undecodable("too_deep", "more than 32 levels of nesting")


def functions_called(body: bytes, type_property: str) -> set[str]:
    """The names of all functions that work on a body, which is well-formed."""
    called = set()
    sys.setprofile(lambda frame, _event, _value: called.add(frame.f_code.co_name))
    try:
        message = decode(body, JSON, type_property)
    finally:
        sys.setprofile(None)
    assert type(message).__name__ == type_property
    return called


@pytest.mark.parametrize(
    ("body", "type_property"),
    [
        (GOOD, "PreparedTransfer"),
        (GOOD[:-1] + b',"x":' + b'{"x":' * 31 + b"1" + b"}" * 32, "PreparedTransfer"),
        (body_of(TRANSFER, transfer_note="for you", transfer_note_format="."), "AccountTransfer"),
        (body_of(UPDATE, debtor_info_sha256="0" * 64), "AccountUpdate"),
    ],
)
def test_what_servers_usually_write_takes_the_quick_way(body, type_property):
    """Ten times as quick: no field is looked at by itself."""
    called = functions_called(body, type_property)
    assert not any("diagnose" in one for one in called)
    assert not any("find_fault" in one and "of_plain" not in one for one in called)


@pytest.mark.parametrize(
    "body",
    [
        body_of(TRANSFER).replace(b'"transfer_note": ""', '"transfer_note": "для тебя"'.encode()),
        body_of(TRANSFER)[:-1] + b',"x":' + b"[" * 31 + b"]" * 31 + b"}",
    ],
)
def test_what_people_write_takes_it_as_well(body):
    """Only its texts are looked at."""
    called = functions_called(body, "AccountTransfer")
    assert not any("diagnose" in one for one in called)
    assert any("find_fault" in one for one in called)


@pytest.mark.parametrize("code", ["", "x" * 30])
def test_a_code_has_at_most_thirty_characters(code):
    """Whatever it is."""
    body = body_of(REJECTED, status_code=code)
    message = decode(body, JSON, "RejectedTransfer")
    assert isinstance(message, RejectedTransfer)
    assert message.status_code == code
    assert diagnose(body, None) == message


def test_a_number_that_is_not_finite_is_malformed():
    """1e500 is JSON, but no binary64 number; neither is an integer of 400 digits."""
    for number in (b"-1e500", b"-1" + b"0" * 400):
        body = GOOD.replace(b"-50.0", number)
        refused = decode(body, JSON, None)
        assert isinstance(refused, Undecodable)
        assert refused.reason == "bad_field"
        assert refused.detail.startswith("demurrage_rate: ")


def test_a_detail_never_shows_a_note():
    """What people write to each other does not end in a log."""
    refused = decode(body_of(TRANSFER, transfer_note="secret" * 100), JSON, None)
    assert isinstance(refused, Undecodable)
    assert "secret" not in refused.detail


# --- what is taken ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01T00:00:01.1234567+00", 1_123_456),
        ("1970-01-01T02:00:00+0130", 1_800_000_000),
        ("1969-12-31T23:00:00.000001-01:00", 1),
        ("9999-12-31T23:59:59.999999+00:00", 253402300799_999999),
        ("0001-01-01T00:00:00+00:00", -62135596800_000000),
    ],
)
def test_every_form_of_a_timestamp_is_read_exactly(text, moment):
    """Servers may leave seconds out, write any fraction, and use any offset."""
    message = decode(body_of(PREPARED, ts=text), JSON, None)
    assert isinstance(message, PreparedTransfer)
    assert message.ts == moment
    assert render(moment).endswith("+00:00")


@pytest.mark.parametrize(
    "tail",
    [
        b',"x":null',
        b',"x":1e999',
        b',"x":"\\ud83d\\ude00"',
        b',"x":' + b"[" * 31 + b"]" * 31,
        b',"x":"' + b"[" * 100 + b'"',
        b',"x":' + b"1" * 5000,
        ',"é":"é"'.encode(),
    ],
)
def test_unknown_members_are_ignored(tail):
    """Later versions of the protocol may add members of any kind."""
    assert decode(GOOD[:-1] + tail + b"}", JSON, "PreparedTransfer") == PREPARED


def test_of_a_repeated_member_the_last_one_counts():
    """As for the server, on both ways."""
    body = GOOD[:-1] + b',"locked_amount":7}'
    expected = msgspec.structs.replace(PREPARED, locked_amount=7)
    assert decode(body, JSON, None) == expected
    assert diagnose(body, None) == expected


def test_integers_are_taken_for_floats():
    """A rate of -50 is as good as one of -50.0, and so is an integer that needs many digits."""
    assert decode(GOOD.replace(b"-50.0", b"-50"), JSON, None) == PREPARED
    body = server_codec.encode_by_server(event_of(PREPARED)).replace(b"-50.0", b"-0")
    assert isinstance(decode(body, JSON, None), PreparedTransfer)


def test_escapes_are_read():
    r"""A sender may escape what it likes."""
    body = body_of(TRANSFER, transfer_note="благодаря 😀")
    assert b"\\u" in body
    message = decode(body, JSON, None)
    assert isinstance(message, AccountTransfer)
    assert message.transfer_note == "благодаря 😀"


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(body):
    """Whatever arrives, the answer is a value or a reason."""
    assert isinstance(decode(body, JSON, None), Undecodable)


@given(values.server_messages, st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_a_damaged_body_is_read_the_same_on_both_ways(message, place, damage):
    """The quick way never takes what the slow one refuses, and gives the same values."""
    body = server_codec.encode_by_server(event_of(message))
    place %= len(body)
    damaged = body[:place] + damage + body[place + len(damage) :]
    quick = decode(damaged, JSON, None)
    slow = diagnose(damaged, None)
    assert quick == slow


def test_seven_types_are_received():
    """And no other."""
    assert set(SERVER_MESSAGE_TYPES) == set(server_codec.EVENT_TYPES)
