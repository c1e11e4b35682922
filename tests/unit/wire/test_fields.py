"""Readers of the slow way are made for limits and predicates; the kinds of fields are made of them."""

import pytest

from swpt_accounts.wire.messages import decode, diagnosis, fields
from swpt_accounts.wire.messages.shapes import MESSAGE_TYPES, PrepareTransfer
from swpt_accounts.wire.strict_json import Integer, Real
from tests.backstage.message_bodies import JSON, body_of


@pytest.mark.parametrize("value", [Integer("-5"), Integer("0"), Integer("7")])
def test_a_whole_number_within_its_limits_is_read(value):
    """The limits themselves are within."""
    assert fields._read_integer(-5, 7)(value) == int(value.text)


@pytest.mark.parametrize(
    "value", [Integer("-6"), Integer("8"), Integer("9" * 400), Real("1.0"), "1", True, None]
)
def test_anything_else_is_no_whole_number(value):
    """It is said what is expected."""
    with pytest.raises(ValueError, match=r"^must be an integer between -5 and 7$"):
        fields._read_integer(-5, 7)(value)


def test_a_text_is_read_if_it_holds():
    """What it has to be, a predicate says."""
    assert fields._read_text(str.isupper, "shouted")("AB") == "AB"


@pytest.mark.parametrize("value", ["ab", 1, None, Integer("1"), ["AB"]])
def test_anything_else_is_no_such_text(value):
    """It is said what is expected."""
    with pytest.raises(ValueError, match=r"^must be shouted$"):
        fields._read_text(str.isupper, "shouted")(value)


def test_a_timestamp_is_read_as_its_moment():
    """On the fast way the same reader is asked as on the slow way."""
    text = "1970-01-01T00:00:01Z"
    assert fields.read_custom(fields.Timestamp, text) == fields.READERS[fields.Timestamp](text) == 1_000_000


@pytest.mark.parametrize("message_type", MESSAGE_TYPES.values())
def test_every_field_has_the_reader_of_its_kind(message_type):
    """In the order of the protocol, because the first that is wrong is told."""
    readers = diagnosis._field_readers(message_type)
    assert list(readers) == list(message_type.__struct_fields__)
    assert set(readers.values()) <= set(fields.READERS.values())


def test_the_reader_of_a_kind_is_the_one_of_the_table():
    """A delay is no amount, although both are whole numbers from 0 on."""
    readers = diagnosis._field_readers(PrepareTransfer)
    assert readers["max_commit_delay"] is fields.READERS[fields.Delay]
    assert readers["min_locked_amount"] is fields.READERS[fields.Amount]


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("ConfigureAccount", {"type": "7"}, "type_mismatch: type: missing, or not a text"),
        ("ConfigureAccount", {"type": '"X"'}, "type_mismatch: type: not a message type of this server"),
        (
            "ConfigureAccount",
            {"negligible_amount": "-1"},
            "bad_field: negligible_amount: must be a finite number, not below 0.0",
        ),
        ("ConfigureAccount", {"seqnum": "NaN"}, "bad_json: NaN is not JSON"),
        ("ConfigureAccount", {"ts": "0"}, "bad_field: ts: must be a timestamp with an offset"),
        ("ConfigureAccount", {"ts": '"now"'}, "bad_field: ts: must be a timestamp with an offset"),
        (
            "PendingBalanceChange",
            {"principal_delta": "0"},
            (
                "bad_field: principal_delta: must be an integer between -9223372036854775807 and"
                " 9223372036854775807, and not 0"
            ),
        ),
        (
            "PrepareTransfer",
            {"min_locked_amount": "21"},
            "bad_combination: max_locked_amount: less than min_locked_amount",
        ),
        (
            "PrepareTransfer",
            {"coordinator_type": '"direct"'},
            "bad_combination: coordinator_id: not equal to creditor_id",
        ),
        (
            "PrepareTransfer",
            {"coordinator_type": '"issuing"'},
            "bad_combination: coordinator_id: not equal to debtor_id",
        ),
        (
            "PrepareTransfer",
            {"coordinator_type": '"issuing"', "coordinator_id": "-1"},
            "bad_combination: creditor_id: not 0",
        ),
        (
            "PrepareTransfer",
            {"coordinator_type": '"interest"'},
            "reserved_coordinator_type: coordinator_type: only for the server itself",
        ),
        (
            "PrepareTransfer",
            {"coordinator_type": '"agent"'},
            "foreign_coordinator: coordinator_id: not in the sender's non-zero subnet",
        ),
    ],
)
def test_operators_read_what_is_wrong_with_a_message(kind, changes, said):
    """A sentence for each reason, which names the field."""
    assert str(diagnosis.diagnose(body_of(kind, **changes), None)) == said


def test_a_type_that_is_another_one_than_the_property_is_told():
    """Which of both is right, nobody knows."""
    said = str(diagnosis.diagnose(body_of("ConfigureAccount"), "PrepareTransfer"))
    assert said == "type_mismatch: type: not equal to the type property"


@pytest.mark.parametrize(
    ("coordinator_id", "is_taken"), [(str(2**40), True), (str(2**41), False), ("7", False)]
)
def test_an_agent_coordinates_within_its_subnet(coordinator_id, is_taken):
    """That of the sender."""
    body = body_of("PrepareTransfer", coordinator_type='"agent"', coordinator_id=coordinator_id)
    assert isinstance(diagnosis.diagnose(body, None), PrepareTransfer) is is_taken


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\xef\xbb\xbf{}", "bad_encoding: byte order mark"),
        (b"{\xff}", "bad_encoding: not UTF-8 at byte 1"),
        (b"[" * 33, "too_deep: more than 32 levels of nesting"),
        (b'{"x":"\\u0000"}', "bad_json: a string holds U+0000 or a lone surrogate"),
        (b"[]", "not_an_object: the body is not an object"),
        (b"{]", "bad_json: Expecting property name enclosed in double quotes (character 1)"),
    ],
)
def test_operators_read_what_is_wrong_with_a_body(body, said):
    """And where, if that can be said."""
    assert str(diagnosis.diagnose(body, None)) == said


@pytest.mark.parametrize("type_property", ["AccountUpdate", "configureaccount", ""])
def test_operators_read_that_a_type_is_not_known(type_property):
    """The property decides, whatever the body says."""
    refused = decode(body_of("ConfigureAccount"), JSON, type_property)
    assert str(refused) == "unknown_type: the type property is not a message type of this server"
