"""Incoming messages: what is read, what is malformed and for which reason."""

import json
from typing import Any

import pytest

from swpt_accounts.wire.messages import MESSAGE_TYPES, Malformed, decode
from swpt_accounts.wire.messages.diagnosis import diagnose
from swpt_accounts.wire.moments import T_FAR, parse_timestamp
from tests.backstage.message_bodies import CONFIGURE, FINALIZE, GOOD, JSON, PENDING, PREPARE, body_of


def read(message_type: str, **members: str) -> Any:
    message = decode(body_of(message_type, **members), JSON, message_type)
    assert not isinstance(message, Malformed), message
    return message


def reason_of(
    body: bytes,
    type_property: str | None = None,
    content_type: str | None = JSON,
    body_size: int | None = None,
) -> str:
    """Why a body is malformed."""
    refused = decode(body, content_type, type_property, body_size)
    assert isinstance(refused, Malformed)
    assert refused.detail.isascii()
    assert 0 < len(refused.detail) <= 200
    return refused.reason


def fault_of(message_type: str, **members: str) -> str:
    """The name of the member that makes a message malformed."""
    refused = decode(body_of(message_type, **members), JSON, message_type)
    assert isinstance(refused, Malformed)
    assert refused.reason == "bad_field"
    return refused.detail.split(":")[0]


# --- the ordered checks ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "type_property", "reason"),
    [
        # each check fails for itself, and the next ones would fail too
        (b"\xff" + b"[" * 65536, "text/plain", "?", "too_large"),
        (b" " * 65535 + b"{}", None, None, "too_large"),
        (b"\xff" + b"[" * 65535, None, "?", "bad_content_type"),
        (b"\xff", "", "?", "bad_content_type"),
        (b"\xff", "Application/json", "?", "bad_content_type"),
        (b"\xff", "application/json; charset=utf-8", "?", "bad_content_type"),
        (b"\xff", "application/json ", "?", "bad_content_type"),
        (b"\xff" + b"[" * 33, JSON, "AccountUpdate", "unknown_type"),
        (b"\xff" + b"[" * 33, JSON, "", "unknown_type"),
        (b"\xff" + b"[" * 33, JSON, "configureaccount", "unknown_type"),
        (b"\xff" + b"[" * 33, JSON, CONFIGURE, "bad_encoding"),
        (b"\xff" + b"[" * 33, JSON, None, "bad_encoding"),
        (b"\xef\xbb\xbf{}", JSON, None, "bad_encoding"),
        (b"\xef\xbb\xbf" + b"[" * 33, JSON, None, "bad_encoding"),
        (b'{"x":"\xed\xa0\x80"}', JSON, None, "bad_encoding"),
        (b'{"x":"\xc0\x80"}', JSON, None, "bad_encoding"),
        ("{}".encode("utf-16"), JSON, None, "bad_encoding"),
        (b"[" * 33, JSON, None, "too_deep"),
        (b"[" * 65536, JSON, None, "too_deep"),
        (b'{"a":' * 10000, JSON, CONFIGURE, "too_deep"),
        (b"?" + b"[{" * 17, JSON, None, "too_deep"),
        (b"[" * 32, JSON, None, "bad_json"),
        (b"[]" * 33, JSON, None, "bad_json"),
        (b"", JSON, None, "bad_json"),
        (b" ", JSON, CONFIGURE, "bad_json"),
        (b"hello", JSON, CONFIGURE, "bad_json"),
        (b"[NaN]", JSON, None, "bad_json"),
        (b"[-Infinity]", JSON, None, "bad_json"),
        (b"{}x", JSON, None, "bad_json"),
        (b"{} {}", JSON, None, "bad_json"),
        (b"\x00{}", JSON, None, "bad_json"),
        (b"\x0c[]", JSON, None, "bad_json"),
        (b"[1,]", JSON, None, "bad_json"),
        (b"[01]", JSON, None, "bad_json"),
        (b"[1.]", JSON, None, "bad_json"),
        (b"[+1]", JSON, None, "bad_json"),
        ("[٣]".encode(), JSON, None, "bad_json"),
        (b"['x']", JSON, None, "bad_json"),
        (b'["\\x"]', JSON, None, "bad_json"),
        (b'["\\u12"]', JSON, None, "bad_json"),
        (b'["\n"]', JSON, None, "bad_json"),
        (b'["\\u0000"]', JSON, None, "bad_json"),
        (b'["\\ud800"]', JSON, None, "bad_json"),
        (b'["\\udc00\\ud800"]', JSON, None, "bad_json"),
        (b'["\\ud800\\\\udc00"]', JSON, None, "bad_json"),
        (b"[" * 32 + b"]" * 32, JSON, None, "not_an_object"),
        (b'"' + b"[" * 99 + b'"', JSON, CONFIGURE, "not_an_object"),
        (b'"\\"' + b"[" * 99 + b'"', JSON, CONFIGURE, "not_an_object"),
        (b"null", JSON, None, "not_an_object"),
        (b"1" * 65536, JSON, None, "not_an_object"),
        (b'["\\\\u0000 \\u0001 \\ud83d\\ude00"]', JSON, None, "not_an_object"),
        (b"{}", JSON, None, "type_mismatch"),
        (b"{}", JSON, CONFIGURE, "type_mismatch"),
        (b'{"type":null}', JSON, None, "type_mismatch"),
        (b'{"type":["ConfigureAccount"]}', JSON, CONFIGURE, "type_mismatch"),
        (b'{"type":"AccountUpdate"}', JSON, None, "type_mismatch"),
        (b'{"type":"AccountUpdate"}', JSON, CONFIGURE, "type_mismatch"),
        (b'{"type":"PrepareTransfer"}', JSON, CONFIGURE, "type_mismatch"),
        (b'{"type":"ConfigureAccount","type":""}', JSON, CONFIGURE, "type_mismatch"),
        (b'{"type":"ConfigureAccount"}', JSON, None, "bad_field"),
        (b'{"type":"","type":"ConfigureAccount"}', JSON, CONFIGURE, "bad_field"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_the_first_check_that_fails_gives_the_reason(body, content_type, type_property, reason):
    """Checks are made in the documented order, whatever else is wrong with the message."""
    assert reason_of(body, type_property, content_type) == reason


def test_a_body_that_was_cut_is_too_large():
    """The full size counts, not what is left of the body."""
    body = body_of(CONFIGURE)
    assert reason_of(body, CONFIGURE, JSON, 65537) == "too_large"
    assert decode(body, JSON, CONFIGURE, 65536) == read(CONFIGURE)


def test_a_body_of_the_largest_size_is_read():
    """65536 bytes are not too many, and neither are 32 levels of nesting."""
    body = body_of(CONFIGURE, tail=',"x":' + "[" * 31 + "]" * 31)
    body += b" " * (65536 - len(body))
    assert decode(body, JSON, CONFIGURE) == read(CONFIGURE)
    assert reason_of(body + b" ", CONFIGURE) == "too_large"


@pytest.mark.parametrize("message_type", GOOD)
def test_every_member_must_be_present_and_not_null(message_type):
    """There are no optional members, and the detail names the one that is wrong."""
    for name in GOOD[message_type]:
        if name == "type":
            assert reason_of(body_of(message_type, without=name), message_type) == "type_mismatch"
        else:
            assert fault_of(message_type, without=name) == name
            assert fault_of(message_type, **{name: "null"}) == name
            assert fault_of(message_type, **{name: "true"}) == name
            assert fault_of(message_type, **{name: "[]"}) == name
            assert fault_of(message_type, **{name: "{}"}) == name


# --- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message_type", "name", "low", "high"),
    [
        (CONFIGURE, "debtor_id", -(2**63), 2**63 - 1),
        (CONFIGURE, "creditor_id", -(2**63), 2**63 - 1),
        (CONFIGURE, "config_flags", -(2**31), 2**31 - 1),
        (CONFIGURE, "seqnum", -(2**31), 2**31 - 1),
        (PREPARE, "debtor_id", -(2**63), 2**63 - 1),
        (PREPARE, "creditor_id", -(2**63), 2**63 - 1),
        (PREPARE, "coordinator_id", -(2**63), 2**63 - 1),
        (PREPARE, "coordinator_request_id", -(2**63), 2**63 - 1),
        (PREPARE, "min_locked_amount", 0, 20),
        (PREPARE, "max_locked_amount", 10, 2**63 - 1),
        (PREPARE, "max_commit_delay", 0, 2**31 - 1),
        (FINALIZE, "debtor_id", -(2**63), 2**63 - 1),
        (FINALIZE, "creditor_id", -(2**63), 2**63 - 1),
        (FINALIZE, "transfer_id", -(2**63), 2**63 - 1),
        (FINALIZE, "coordinator_id", -(2**63), 2**63 - 1),
        (FINALIZE, "coordinator_request_id", -(2**63), 2**63 - 1),
        (FINALIZE, "committed_amount", 0, 2**63 - 1),
        (PENDING, "debtor_id", -(2**63), 2**63 - 1),
        (PENDING, "creditor_id", -(2**63), 2**63 - 1),
        (PENDING, "change_id", -(2**63), 2**63 - 1),
        (PENDING, "principal_delta", -(2**63 - 1), 2**63 - 1),
        (PENDING, "other_creditor_id", -(2**63), 2**63 - 1),
    ],
)
def test_integers_have_limits(message_type, name, low, high):
    """The whole range is read exactly; one more is malformed; so is every other way to write a number."""
    assert getattr(read(message_type, **{name: str(low)}), name) == low
    assert getattr(read(message_type, **{name: str(high)}), name) == high
    if name == "min_locked_amount":
        assert reason_of(body_of(message_type, **{name: str(high + 1)})) == "bad_combination"
    else:
        assert fault_of(message_type, **{name: str(high + 1)}) == name
    if name == "max_locked_amount":
        assert reason_of(body_of(message_type, **{name: str(low - 1)})) == "bad_combination"
    else:
        assert fault_of(message_type, **{name: str(low - 1)}) == name
    for text in ['"12"', "12.0", "1e1", "1E+1", "true", "9" * 20, "9" * 5000, "-" + "9" * 60000]:
        assert fault_of(message_type, **{name: text}) == name


@pytest.mark.parametrize("message_type", GOOD)
def test_minus_zero_is_zero(message_type):
    """An integer may be written as -0, and is 0 then."""
    for name, text in GOOD[message_type].items():
        if text.lstrip("-").isdigit() and name not in {"principal_delta", "max_locked_amount"}:
            assert getattr(read(message_type, **{name: "-0"}), name) == 0


def test_a_balance_changes_by_something():
    """A PendingBalanceChange of 0 is malformed."""
    assert fault_of(PENDING, principal_delta="0") == "principal_delta"
    assert fault_of(PENDING, principal_delta="-0") == "principal_delta"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0.0"),
        ("-0", "0.0"),
        ("-0.0", "-0.0"),
        ("-0e9", "-0.0"),
        ("7", "7.0"),
        ("1e30", "1e+30"),
        ("1E+30", "1e+30"),
        ("123456789.125", "123456789.125"),
        ("0.1", "0.1"),
        ("9007199254740991.0", "9007199254740991.0"),
        ("9007199254740993", "9007199254740992.0"),
        ("9007199254740993.0000000000000000000000000001", "9007199254740994.0"),
        ("18446744073709551616", "1.8446744073709552e+19"),
        ("9.223372036854776e+18", "9.223372036854776e+18"),
        ("1e300", "1e+300"),
        ("5e-324", "5e-324"),
        ("1e-500", "0.0"),
        ("-1e-500", "-0.0"),
        ("1" + "0" * 308, "1e+308"),
        ("1" + "0" * 60000 + "e-60000", "1.0"),
        ("0." + "0" * 60000 + "1e60001", "1.0"),
    ],
    ids=lambda text: text[:20],
)
def test_negligible_amounts_are_the_nearest_binary64_values(text, value):
    """Integers and floats of any length are read, exactly rounded; the sign of zero is kept."""
    assert repr(read(CONFIGURE, negligible_amount=text).negligible_amount) == value


@pytest.mark.parametrize(
    "text", ["-5e-324", "-1", "-1e300", "1e500", "-1e500", "1.8e308", "9" * 309, "9" * 60000, '"0.5"', '"1"']
)
def test_other_negligible_amounts_are_malformed(text):
    """A negligible amount is finite and not negative."""
    assert fault_of(CONFIGURE, negligible_amount=text) == "negligible_amount"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "nan", "0x1", "1_0", ".5", "5.", "00"])
def test_what_is_no_json_number_is_no_json(text):
    """Words and foreign notations for numbers break the whole body."""
    assert reason_of(body_of(CONFIGURE, negligible_amount=text)) == "bad_json"


# --- strings -----------------------------------------------------------------------------------


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@pytest.mark.parametrize(
    ("message_type", "name", "text"),
    [
        (CONFIGURE, "config_data", "x" * 2000),
        (CONFIGURE, "config_data", "я" * 1000),
        (CONFIGURE, "config_data", "😀" * 500),
        (CONFIGURE, "config_data", '\u0001\n"\\\x7f\ufeff\uffff'),
        (FINALIZE, "transfer_note", "x" * 500),
        (FINALIZE, "transfer_note", "я" * 250),
        (FINALIZE, "transfer_note", "😀" * 125),
        (PENDING, "transfer_note", "я" * 250),
        (FINALIZE, "transfer_note_format", ""),
        (FINALIZE, "transfer_note_format", "aZ09.-.-"),
        (PENDING, "transfer_note_format", "aZ09.-.-"),
        (PREPARE, "recipient", ""),
        (PREPARE, "recipient", "5\n"),
        (PREPARE, "recipient", "\x01\x7f" * 50),
        (PREPARE, "coordinator_type", "x"),
        (PREPARE, "coordinator_type", "~ !" * 10),
        (PREPARE, "coordinator_type", "Direct"),
        (FINALIZE, "coordinator_type", "x" * 30),
        (PENDING, "coordinator_type", "interest"),
        (PENDING, "coordinator_type", "delete"),
    ],
)
def test_texts_are_kept_as_they_are(message_type, name, text):
    """A text within its limits arrives unchanged, however it is escaped."""
    assert getattr(read(message_type, **{name: quoted(text)}), name) == text
    assert getattr(read(message_type, **{name: json.dumps(text)}), name) == text
    escaped = "".join(f"\\u{unit:04X}" for unit in memoryview(text.encode("utf-16-le")).cast("H"))
    assert getattr(read(message_type, **{name: f'"{escaped}"'}), name) == text


@pytest.mark.parametrize(
    ("message_type", "name", "text"),
    [
        (CONFIGURE, "config_data", "x" * 2001),
        (CONFIGURE, "config_data", "я" * 1000 + "x"),
        (CONFIGURE, "config_data", "😀" * 501),
        (FINALIZE, "transfer_note", "x" * 501),
        (FINALIZE, "transfer_note", "я" * 250 + "x"),
        (PENDING, "transfer_note", "😀" * 126),
        (FINALIZE, "transfer_note_format", "123456789"),
        (FINALIZE, "transfer_note_format", "abc\n"),
        (FINALIZE, "transfer_note_format", "a_b"),
        (FINALIZE, "transfer_note_format", " "),
        (FINALIZE, "transfer_note_format", "é"),
        (PENDING, "transfer_note_format", "٣"),
        (PREPARE, "recipient", "1" * 101),
        (PREPARE, "recipient", "é"),
        (PREPARE, "recipient", "５"),
        (PREPARE, "coordinator_type", ""),
        (PREPARE, "coordinator_type", "x" * 31),
        (PREPARE, "coordinator_type", "é"),
        (FINALIZE, "coordinator_type", "a\tb"),
        (FINALIZE, "coordinator_type", "direct\n"),
        (PENDING, "coordinator_type", "\x7f"),
        (PENDING, "coordinator_type", ""),
    ],
)
def test_texts_beyond_their_limits_are_malformed(message_type, name, text):
    """Limits are counted in bytes of UTF-8 or in characters, and alphabets are kept."""
    assert fault_of(message_type, **{name: quoted(text)}) == name
    assert fault_of(message_type, **{name: "12"}) == name


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\uDBFFx", "\\udc00", "\\uD83D\\u0041"])
@pytest.mark.parametrize("place", ["value", "overridden", "unknown", "nested", "name", "nested name"])
def test_no_string_holds_nul_or_a_lone_surrogate(escape, place):
    """Such a string makes the body malformed wherever it stands, even where nobody looks."""
    tail = {
        "value": f',"config_data":"{escape}"',
        "overridden": f',"config_data":"{escape}","config_data":""',
        "unknown": f',"x":"a{escape}b"',
        "nested": f',"x":[{{"y":["{escape}"]}}]',
        "name": f',"{escape}":1',
        "nested name": f',"x":{{"y{escape}":1}}',
    }[place]
    assert reason_of(body_of(CONFIGURE, tail=tail), CONFIGURE) == "bad_json"


def test_notes_and_configurations_stay_out_of_details():
    """Details go to logs, so they never show what people wrote."""
    for message_type, name in [(CONFIGURE, "config_data"), (FINALIZE, "transfer_note")]:
        for text in [quoted("secret" * 400), '"secret', '"secret\\u0000"', '"secret\\x"', '"secret\n"']:
            refused = decode(body_of(message_type, **{name: text}), JSON, message_type)
            assert isinstance(refused, Malformed)
            assert "secret" not in str(refused)


def test_a_detail_is_short_and_plain():
    """Whatever it says: other characters than ASCII are marked, and the rest is cut."""
    refused = Malformed("bad_field", "ü" + "x" * 300)
    assert refused.detail == "?" + "x" * 199
    assert str(refused) == f"bad_field: {refused.detail}"


# --- members -----------------------------------------------------------------------------------


@pytest.mark.parametrize("message_type", GOOD)
@pytest.mark.parametrize(
    "tail",
    [
        ',"x":1',
        ',"ts2":null,"x":true,"y":[{}],"z":"\\u0001"',
        ',"x":' + "9" * 5000,
        ',"x":-1e999999',
        ',"x":' + "9" * 60000,
        ',"":{"type":"AccountUpdate","debtor_id":"x"}',
    ],
    ids=lambda tail: tail[:20],
)
def test_unknown_members_are_ignored(message_type, tail):
    """Later versions of the protocol may add members, with any values."""
    body = body_of(message_type, tail=tail)
    assert decode(body, JSON, message_type) == decode(body, JSON, None) == read(message_type)


@pytest.mark.parametrize("message_type", GOOD)
def test_of_a_repeated_member_the_last_counts(message_type):
    """What stands before may even be wrong; what stands last decides, for `type` as well."""
    good = read(message_type)
    for name, text in GOOD[message_type].items():
        for other in ("null", "9" * 5000, "[[]]", '"AccountUpdate"', text):
            front = body_of(message_type).replace(b"{", f'{{"{name}":{other},'.encode(), 1)
            assert decode(front, JSON, message_type) == good
            assert decode(front, JSON, None) == good
        back = body_of(message_type, tail=f',"{name}":null')
        assert reason_of(back) == ("type_mismatch" if name == "type" else "bad_field")


@pytest.mark.parametrize("message_type", GOOD)
def test_order_and_white_space_do_not_matter(message_type):
    """Members may stand in any order, also with `type` last, and be spelled with escapes."""
    members = [f'"\\u{ord(name[0]):04x}{name[1:]}" : {text}' for name, text in GOOD[message_type].items()]
    body = (" \t\r\n{" + "\n,".join(reversed(members)) + " } ").encode()
    assert decode(body, JSON, message_type) == decode(body, JSON, None) == read(message_type)


def test_without_type_property_the_body_decides():
    """A missing property is fine; an empty one is an unknown type."""
    for message_type, cls in MESSAGE_TYPES.items():
        assert type(decode(body_of(message_type), JSON, None)) is cls
        assert reason_of(body_of(message_type), "") == "unknown_type"
        for other in GOOD.keys() - {message_type}:
            assert reason_of(body_of(message_type), other) == "type_mismatch"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21T10:00Z", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21T10:00:00.1234567Z", "2026-11-21T10:00:00.123456+00:00"),
        ("2026-11-21T15:30:00+05:30", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21T15:30+0530", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21T05:00:00.5-05", "2026-11-21T10:00:00.500000+00:00"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
        ("2026-11-21T10:00:00." + "9" * 60000 + "Z", "2026-11-21T10:00:00.999999+00:00"),
    ],
    ids=lambda text: text[:36],
)
def test_timestamps_are_instants(text, same):
    """The same instant may be written in many ways, and is kept to the microsecond."""
    for message_type, name in [(CONFIGURE, "ts"), (PREPARE, "final_interest_rate_ts"), (FINALIZE, "ts")]:
        assert getattr(read(message_type, **{name: f'"{text}"'}), name) == parse_timestamp(same)
    assert read(PREPARE).final_interest_rate_ts == T_FAR


@pytest.mark.parametrize(
    "text",
    [
        '"2026-11-21T10:00:00"',
        '"2026-11-21 10:00:00Z"',
        '"2026-11-21T10:00:00z"',
        '"2026-11-21T24:00:00Z"',
        '"2026-02-30T10:00:00Z"',
        '"9999-12-31T23:59:59-14:00"',
        '"0001-01-01T00:00:00+23:59"',
        '"2026-11-21T10:00:00Z\\n"',
        '""',
        "1795255200",
        "1795255200.5",
        "9" * 5000,
    ],
    ids=lambda text: text[:30],
)
def test_other_timestamps_are_malformed(text):
    """A timestamp is a text in one form, with an offset, within the years 1 to 9999."""
    for message_type, name in [
        (CONFIGURE, "ts"),
        (PREPARE, "ts"),
        (PREPARE, "final_interest_rate_ts"),
        (FINALIZE, "ts"),
        (PENDING, "committed_at"),
    ]:
        assert fault_of(message_type, **{name: text}) == name


# --- rules across fields -----------------------------------------------------------------------

SUBNET = 0x0000010000000000


@pytest.mark.parametrize(
    ("coordinator_type", "debtor_id", "creditor_id", "coordinator_id", "reason"),
    [
        ("direct", 1, 5, 5, None),
        ("direct", 1, 0, 0, None),
        ("direct", 1, 5, 6, "bad_combination"),
        ("direct", 1, 5, 1, "bad_combination"),
        ("issuing", 1, 0, 1, None),
        ("issuing", 1, 0, 0, "bad_combination"),
        ("issuing", 1, 5, 1, "bad_combination"),
        ("issuing", 0, 0, 0, None),
        ("agent", 1, SUBNET + 5, SUBNET, None),
        ("agent", 1, SUBNET + 5, 2 * SUBNET - 1, None),
        ("agent", 1, -1, -SUBNET, None),
        ("agent", 1, -(2**63), -(2**63) + SUBNET - 1, None),
        ("agent", 1, SUBNET + 5, 2 * SUBNET, "foreign_coordinator"),
        ("agent", 1, SUBNET + 5, 5, "foreign_coordinator"),
        ("agent", 1, -1, SUBNET - 1, "foreign_coordinator"),
        ("agent", 1, 5, 5, "foreign_coordinator"),
        ("agent", 1, 0, 0, "foreign_coordinator"),
        ("agent", 1, SUBNET - 1, 0, "foreign_coordinator"),
        ("interest", 1, 5, 5, "reserved_coordinator_type"),
        ("delete", 1, 0, 0, "reserved_coordinator_type"),
        # types are case-sensitive, and other types know no rule
        ("Direct", 1, 5, 6, None),
        ("Interest", 1, 5, 6, None),
        ("trade", -1, -2, 7, None),
    ],
)
def test_coordinators_of_special_types_obey_their_rules(
    coordinator_type, debtor_id, creditor_id, coordinator_id, reason
):
    """Who may ask for a transfer follows from the ids."""
    body = body_of(
        PREPARE,
        coordinator_type=quoted(coordinator_type),
        debtor_id=str(debtor_id),
        creditor_id=str(creditor_id),
        coordinator_id=str(coordinator_id),
    )
    if reason is None:
        assert decode(body, JSON, PREPARE) == diagnose(body, PREPARE)
    else:
        assert reason_of(body, PREPARE) == reason


def test_only_reserved_types_are_refused_in_a_finalization():
    """A FinalizeTransfer with wrong ids just matches nothing."""
    for coordinator_type in ("direct", "issuing", "agent", "other"):
        assert read(FINALIZE, coordinator_type=quoted(coordinator_type), coordinator_id="0")
    for coordinator_type in ("interest", "delete"):
        body = body_of(FINALIZE, coordinator_type=quoted(coordinator_type))
        assert reason_of(body, FINALIZE) == "reserved_coordinator_type"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"coordinator_type": '"delete"', "min_locked_amount": "21"}, "bad_combination"),
        ({"coordinator_type": '"agent"', "min_locked_amount": "21"}, "bad_combination"),
        ({"coordinator_type": '"direct"', "ts": "0"}, "bad_field"),
        ({"min_locked_amount": "21", "max_commit_delay": "-1"}, "bad_field"),
    ],
)
def test_rules_come_after_fields_and_in_their_order(members, reason):
    """Of several faults the one of the earlier check is reported."""
    assert reason_of(body_of(PREPARE, **members), PREPARE) == reason
