"""Stories of bad messages: each is put aside with a reason, and those around it are served."""

import hashlib
import json
import struct

import pytest
from pika.spec import BasicProperties

from .agent import RawProperties, json_of, now
from .currency import ALICE, BOB, CAROL, MAX_INT64, MIN_INT64, ROOT, T_FAR

CONFIGURE = {
    "type": "ConfigureAccount",
    "debtor_id": 1,
    "creditor_id": CAROL,
    "negligible_amount": 0.0,
    "config_flags": 0,
    "config_data": "",
    "ts": now(),
    "seqnum": 0,
}
PREPARE = {
    "type": "PrepareTransfer",
    "debtor_id": 1,
    "creditor_id": ALICE,
    "coordinator_type": "direct",
    "coordinator_id": ALICE,
    "coordinator_request_id": 1,
    "min_locked_amount": 0,
    "max_locked_amount": 0,
    "recipient": str(BOB),
    "final_interest_rate_ts": T_FAR,
    "max_commit_delay": 0,
    "ts": now(),
}
FINALIZE = {
    "type": "FinalizeTransfer",
    "debtor_id": 1,
    "creditor_id": ALICE,
    "transfer_id": 1,
    "coordinator_type": "direct",
    "coordinator_id": ALICE,
    "coordinator_request_id": 1,
    "committed_amount": 0,
    "transfer_note": "",
    "transfer_note_format": "",
    "ts": now(),
}
MESSAGES = (CONFIGURE, PREPARE, FINALIZE)
INTEGERS = (
    "debtor_id",
    "creditor_id",
    "seqnum",
    "config_flags",
    "transfer_id",
    "committed_amount",
    "coordinator_id",
    "coordinator_request_id",
    "min_locked_amount",
    "max_locked_amount",
    "max_commit_delay",
)
INT32 = ("seqnum", "config_flags", "max_commit_delay")


@pytest.fixture
def refuse(currency, dead_letters):
    """Sends bad bodies between good messages, and gives back the dead letters that became of them."""

    def send(bodies, **properties):
        currency.configure(BOB, seqnum=1)
        for body in bodies:
            currency.agent.publish(body, **properties)
        currency.configure(BOB, seqnum=2)
        for seqnum in (1, 2):
            currency.take("AccountUpdate", creditor_id=BOB, last_config_seqnum=seqnum)
        currency.silent()
        letters = dead_letters()
        assert [letter.body for letter in letters] == list(bodies)
        assert all(letter.detail.isascii() and len(letter.detail) <= 200 for letter in letters)
        return letters

    return send


@pytest.fixture
def only_reason(refuse):
    """Sends one bad body, and gives back the reason why it was put aside."""

    def send(body, **properties):
        (letter,) = refuse([body], **properties)
        assert letter.body_size == len(body)
        assert letter.body_sha256 == hashlib.sha256(body).digest()
        return letter.reason

    return send


def test_only_json_is_read(currency, dead_letters):
    """Another content type, or none, is refused before anything else (behaviour 9)."""
    bodies = [json_of({**CONFIGURE, "seqnum": number}) for number in range(3)]
    kinds: tuple[dict[str, str], ...] = (
        {"content_type": "text/plain"},
        {"content_type": "application/json; charset=utf-8"},
        {},
    )
    for body, properties in zip(bodies, kinds, strict=True):
        currency.agent.publish(body, BasicProperties(type="ConfigureAccount", **properties))
    currency.silent()
    assert [(letter.reason, letter.body) for letter in dead_letters()] == [
        ("bad_content_type", body) for body in bodies
    ]
    currency.open(BOB)


@pytest.mark.parametrize("name", ["Foo", "", "configureaccount", "AccountUpdate", "ConfigureAccount "])
def test_unknown_types_are_refused(only_reason, name):
    """The type property must be one of the incoming types; an empty text counts as present (behaviour 9)."""
    assert only_reason(json_of(CONFIGURE), type=name) == "unknown_type"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (json_of(CONFIGURE), "PrepareTransfer"),
        (json_of({**CONFIGURE, "type": "AccountUpdate"}), None),
        (json_of({**CONFIGURE, "type": 5}), None),
        (b"{}", "ConfigureAccount"),
        (b"{}", None),
    ],
)
def test_body_and_property_name_the_same_type(only_reason, body, name):
    """A body of another type, or of none, is refused (behaviour 9)."""
    assert only_reason(body, type=name) == "type_mismatch"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad_json"),
        (b"hello", "bad_json"),
        (json_of(CONFIGURE) + b"{}", "bad_json"),
        (json_of(CONFIGURE)[:-1], "bad_json"),
        (json_of(CONFIGURE).replace(b"0.0", b"NaN"), "bad_json"),
        (json_of(CONFIGURE).replace(b"0.0", b"-Infinity"), "bad_json"),
        (json_of(CONFIGURE).replace(b"0.0", b"1e500"), "bad_field"),
        (json_of(CONFIGURE).replace(b"0.0", b"-0.1"), "bad_field"),
        (json_of({**CONFIGURE, "config_data": "x" * 2001}), "bad_field"),
        (json_of({**CONFIGURE, "config_data": "ю" * 1001}), "bad_field"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"ConfigureAccount"', "not_an_object"),
        (b"17", "not_an_object"),
    ],
)
def test_bodies_that_say_nothing(only_reason, body, reason):
    """No JSON, no object, no finite amount, or too much text: no RejectedConfig (behaviours 9 and 11)."""
    assert only_reason(body, type="ConfigureAccount") == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"min_locked_amount": 6, "max_locked_amount": 5}, "bad_combination"),
        ({"min_locked_amount": -1}, "bad_field"),
        ({"recipient": "é"}, "bad_field"),
        ({"recipient": "1" * 101}, "bad_field"),
        ({"coordinator_id": BOB}, "bad_combination"),
        ({"coordinator_type": "issuing", "creditor_id": 0, "coordinator_id": 2}, "bad_combination"),
        ({"coordinator_type": "issuing", "coordinator_id": 1}, "bad_combination"),
        ({"coordinator_type": ""}, "bad_field"),
        ({"coordinator_type": "t" * 31}, "bad_field"),
        ({"coordinator_type": "тип"}, "bad_field"),
        ({"max_commit_delay": -1}, "bad_field"),
    ],
)
def test_requests_that_nobody_may_make(only_reason, change, reason):
    """Fields out of their limits, or at odds with each other (behaviour 12)."""
    assert only_reason(json_of(PREPARE | change), type="PrepareTransfer") == reason


@pytest.mark.parametrize("message", [PREPARE, FINALIZE], ids=lambda message: message["type"])
@pytest.mark.parametrize("coordinator_type", ["interest", "delete"])
def test_the_types_of_the_server_are_its_own(only_reason, message, coordinator_type):
    """Nobody else may pay interest or delete accounts (behaviour 93)."""
    body = json_of(message | {"coordinator_type": coordinator_type})
    assert only_reason(body, type=message["type"]) == "reserved_coordinator_type"


@pytest.mark.parametrize(
    "change",
    [
        {"coordinator_id": CAROL},
        {"coordinator_id": 0},
        {"creditor_id": 1, "coordinator_id": 1},
        {"creditor_id": ROOT, "coordinator_id": ALICE},
    ],
)
def test_agents_speak_for_their_own_subnet(only_reason, change):
    """A coordinator from elsewhere, or a sender of subnet 0, is refused (behaviours 20 and 83)."""
    body = json_of(PREPARE | {"coordinator_type": "agent"} | change)
    assert only_reason(body, type="PrepareTransfer") == "foreign_coordinator"


@pytest.mark.parametrize(
    "change",
    [
        {"transfer_note": "x" * 501},
        {"transfer_note": "ю" * 251},
        {"transfer_note_format": "abc\n"},
        {"transfer_note_format": "a_b"},
        {"transfer_note_format": "123456789"},
        {"transfer_note_format": "ю"},
        {"committed_amount": -1},
        {"committed_amount": MAX_INT64 + 1},
    ],
)
def test_a_bad_finalization_leaves_the_transfer_prepared(currency, dead_letters, change):
    """Too long a note, a bad format or amount: the transfer waits for a better message (behaviour 13)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    prepared = currency.prepared(ALICE, BOB, 100)
    currency.agent.send(currency.finalization(prepared, 100, **change))
    currency.silent()
    assert [letter.reason for letter in dead_letters()] == ["bad_field"]
    assert currency.finalize(prepared, 100).total_locked_amount == 0


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["type"])
def test_every_field_is_required(refuse, message):
    """A missing field, or null, makes the message malformed; the detail names it (behaviour 9)."""
    names = [name for name in message if name != "type"]
    bodies = [json_of({key: value for key, value in message.items() if key != name}) for name in names]
    bodies += [json_of(message | {name: None}) for name in names]
    for letter, name in zip(refuse(bodies), names * 2, strict=True):
        assert letter.reason == "bad_field"
        assert name in letter.detail


def test_integers_are_written_as_integers(refuse):
    """Text, fraction, exponent and boolean are no integers, and ranges are exact (behaviour 85)."""
    bodies = []
    for message in MESSAGES:
        for name in INTEGERS:
            if name not in message:
                continue
            out_of_range = (2**31, -(2**31) - 1) if name in INT32 else (MAX_INT64 + 1, MIN_INT64 - 1)
            for written in ('"12"', "12.0", "1e3", "true", "[]", *map(str, out_of_range)):
                shown = json.dumps(message | {name: "HERE"}).replace('"HERE"', written)
                bodies.append(shown.encode())
    assert {letter.reason for letter in refuse(bodies)} == {"bad_field"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(json_of({**CONFIGURE, "ts": "2026-11-21T10:00:00"}), "bad_field", id="no offset"),
        pytest.param(json_of({**CONFIGURE, "ts": "9999-12-31T23:59:59-14:00"}), "bad_field", id="year 10000"),
        pytest.param(json_of({**CONFIGURE, "ts": "0001-01-01T00:00:00+23:59"}), "bad_field", id="year 0"),
        pytest.param(json_of({**CONFIGURE, "ts": "2026-11-21 10:00:00Z"}), "bad_field", id="space for T"),
        pytest.param(json_of({**CONFIGURE, "ts": "2026-11-21T10:00:60Z"}), "bad_field", id="leap second"),
        pytest.param(
            json_of({**CONFIGURE, "config_data": "\0"}).replace(b"\0", b"\\u0000"), "bad_json", id="NUL"
        ),
        pytest.param(b'{"\\ud800":0,' + json_of(CONFIGURE)[1:], "bad_json", id="lone surrogate"),
        pytest.param(b'{"x":"\xff",' + json_of(CONFIGURE)[1:], "bad_encoding", id="no UTF-8"),
        pytest.param(b"\xef\xbb\xbf" + json_of(CONFIGURE), "bad_encoding", id="byte order mark"),
        pytest.param(b"[" * 65536, "too_deep", id="65536 levels"),
        pytest.param(
            b'{"x":' + b"[" * 32 + b"]" * 32 + b"," + json_of(CONFIGURE)[1:], "too_deep", id="33 levels"
        ),
        pytest.param(
            json_of(CONFIGURE).replace(b'"seqnum": 0', b'"seqnum": ' + b"7" * 10000), "bad_field", id="digits"
        ),
    ],
)
def test_poison_is_put_aside(only_reason, body, reason):
    """Strange moments, strange texts, deep nesting and long numbers stop nobody (behaviour 83)."""
    assert only_reason(body, type="ConfigureAccount") == reason


@pytest.mark.parametrize("body", [b"[" * 100000, b" " * 2**20, json_of(CONFIGURE) + b" " * 2**20])
def test_large_bodies_are_cut(currency, dead_letters, body):
    """Over 65536 bytes only the beginning is kept, with full length and digest (behaviour 83)."""
    currency.agent.publish(body, type="ConfigureAccount")
    currency.open(BOB)
    currency.silent()
    (letter,) = dead_letters()
    assert (letter.reason, letter.body) == ("too_large", body[:65536])
    assert (letter.body_size, letter.body_sha256) == (len(body), hashlib.sha256(body).digest())


def test_the_largest_body_and_the_deepest_nesting_are_served(currency):
    """65536 bytes and 32 levels are within the limits (behaviour 83)."""
    message = currency.configuration(ALICE)
    deep = b'{"x":' + b"[" * 31 + b"]" * 31 + b"," + json_of(message)[1:]
    currency.agent.publish(deep + b" " * (65536 - len(deep)))
    currency.take("AccountUpdate", creditor_id=ALICE)


def test_a_header_that_stock_clients_choke_on_is_served(currency):
    """A timestamp of 2^63 in the headers is not even looked at (behaviour 83)."""
    entry = b"\x04when" + b"T" + struct.pack(">Q", 2**63)
    raw = (
        struct.pack(">H", 1 << 15 | 1 << 13 | 1 << 5)
        + b"\x10application/json"
        + struct.pack(">I", len(entry))
        + entry
        + b"\x10ConfigureAccount"
    )
    currency.agent.publish(json_of(currency.configuration(ALICE)), RawProperties(raw))
    currency.take("AccountUpdate", creditor_id=ALICE)
    currency.open(BOB)
    currency.silent()


def test_a_dead_letter_keeps_its_properties(currency, dead_letters):
    """The original properties and headers are there, byte for byte (behaviour 9)."""
    currency.agent.publish(b"hello", type="ConfigureAccount", headers={"x-why": "testing"}, app_id="a client")
    currency.silent()
    (letter,) = dead_letters()
    for part in (
        b"application/json",
        b"ConfigureAccount",
        b"\x05x-whyS\x00\x00\x00\x07testing",
        b"\x08a client",
    ):
        assert part in letter.properties
