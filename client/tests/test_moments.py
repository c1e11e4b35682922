"""Moments are exact, and so are their texts."""

import pytest
from hypothesis import given

from swpt_client.moments import (
    DAY,
    FIRST,
    HOUR,
    LAST,
    MINUTE,
    SECOND,
    T0,
    T_FAR,
    later_by,
    of_datetime,
    parse,
    render,
    to_datetime,
)
from swpt_client.testing.strategies import moments


@given(moments)
def test_a_moment_survives_its_text(moment):
    """What is written is read back to the microsecond."""
    assert parse(render(moment)) == moment
    assert of_datetime(to_datetime(moment)) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00Z", 0),
        ("1970-01-01T00:01:01Z", MINUTE + SECOND),
        ("1970-01-01T00:00:01.5Z", SECOND + 500_000),
        ("1970-01-01T00:00:01.1234567+00", SECOND + 123_456),
        ("1970-01-01T02:00:00+01", HOUR),
        ("1970-01-01T02:00:00+0130", 30 * MINUTE),
        ("1969-12-31T23:00:00.000001-01:00", 1),
        ("1969-12-31T23:59:59.999999+00:00", -1),
        ("9999-12-31T23:59:59.999999Z", LAST),
        ("0001-01-01T00:00Z", FIRST),
    ],
)
def test_there_is_one_form_with_few_variations(text, moment):
    """Seconds may be left out; any fraction, any offset."""
    assert parse(text) == moment


FORM, DATE, CALENDAR = "with an offset", "of a day that exists", "within the years 1 to 9999"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", FORM),
        ("now", FORM),
        ("2026-11-21", FORM),
        ("2026-11-21T10:00:00+0000x", FORM),
        ("٢٠٢٦-11-21T10:00:00Z", FORM),
        ("2026-02-30T10:00:00+00:00", DATE),
        ("2026-02-30T10:00Z", DATE),
        ("0000-01-01T00:00:00Z", DATE),
        ("0001-01-01T00:00:00+00:01", CALENDAR),
        ("9999-12-31T23:59:59.999999-00:01", CALENDAR),
    ],
)
def test_other_texts_are_refused(text, rule):
    """In words that say what is missing."""
    with pytest.raises(ValueError, match=f"^must be a timestamp {rule}$"):
        parse(text)


def test_sums_end_with_the_calendar():
    """What would lie beyond the year 9999 is "no restriction"."""
    assert later_by(T0, DAY) == DAY
    assert later_by(LAST - 1, DAY) == T_FAR
    assert later_by(T_FAR, 10**30) == T_FAR
    assert later_by(T_FAR, 1) == T_FAR
    assert later_by(FIRST, 0) == FIRST
    assert later_by(LAST, 0) == LAST
    assert later_by(T0, -DAY) == -DAY
