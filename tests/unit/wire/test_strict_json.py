"""JSON texts: how deep they are, which escapes they may hold, and how their numbers are read."""

import pytest

from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64
from swpt_accounts.wire.strict_json import Integer, has_clean_escapes, is_deeper, parse


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("", 0),
        ("7", 0),
        ("[]", 1),
        ("{}", 1),
        ("[[]]", 2),
        ('{"a":[]}', 2),
        # neighbours are not deeper than each other
        ("[],[]", 1),
        ("{},{},{}", 1),
        ("[[],[]]", 2),
        ("[[],[],[[]]]", 3),
        ("[[[]],[[[]]]]", 4),
        ('{"a":{},"b":{"c":[{}]}}', 4),
        # brackets in strings open nothing
        ('"[[["', 0),
        ('["[[", "{{", []]', 2),
        (r'["\"[[", []]', 2),
        # nor do they close anything
        ('["]]", [[]]]', 3),
        # what is no JSON is judged as well
        ("[[[", 3),
        ("[{", 2),
        ("[}[}", 1),
        ('["[[[', 1),
    ],
)
def test_depth_is_the_number_of_brackets_around_the_innermost_place(text, depth):
    """A text is deeper than any smaller number, and than no other one (protocol.rst#json-form)."""
    assert [is_deeper(text, levels) for levels in range(6)] == [levels < depth for levels in range(6)]


@pytest.mark.parametrize(
    ("body", "is_clean"),
    [
        (b'"plain"', True),
        (rb'"\n\t\"\\"', True),
        (rb'"\u0041"', True),
        (rb'"\u0001\uffff"', True),
        (rb'"\ud83d\ude00"', True),
        (rb'"\\u0000"', True),  # a backslash, and four letters behind another one
        (rb'"\u0000"', False),
        (rb'"\\\u0000"', False),
        (rb'"\ud83d"', False),
        (rb'"\ude00"', False),
        (rb'"\ud83d \ude00"', False),
        (rb'"\n", "\u0041", "\u0000"', False),
    ],
)
def test_escapes_make_neither_nothing_nor_half_a_letter(body, is_clean):
    """U+0000 cannot be stored, and a lone surrogate cannot be written."""
    assert has_clean_escapes(body) is is_clean


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("9223372036854775807", MAX_INT64),
        ("-9223372036854775808", MIN_INT64),  # as long as a number within the range can be
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("10000000000000000000", None),
        ("-10000000000000000000", None),
        ("9" * 5000, None),  # Python itself would refuse to convert it
    ],
)
def test_a_whole_number_is_read_if_it_is_within_the_range(text, value):
    """However many digits it has."""
    assert Integer(text).between(MIN_INT64, MAX_INT64) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('["\ud800"]', "a string holds a surrogate"),
        (r'["\ud800"]', "a string holds U+0000 or a lone surrogate"),
        (r'["\u0000"]', "a string holds U+0000 or a lone surrogate"),
        ("[Infinity]", "Infinity is not JSON"),
        ("[1 2]", "Expecting ',' delimiter (character 3)"),
    ],
    ids=ascii,
)
def test_it_is_said_what_is_wrong_with_a_text(text, said):
    """In exactly these words, which never show what a string holds."""
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert str(refused.value) == said
