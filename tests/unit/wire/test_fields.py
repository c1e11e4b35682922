"""Readers of the slow way are made for limits and predicates; the kinds of fields are made of them."""

import pytest

from swpt_accounts.wire.messages import diagnosis, fields
from swpt_accounts.wire.messages.shapes import MESSAGE_TYPES, PrepareTransfer
from swpt_accounts.wire.strict_json import Integer, Real


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
