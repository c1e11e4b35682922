"""Timestamps: which texts are read, as which instant, and how instants are written."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.wire.moments import (
    FIRST_MOMENT,
    LAST_MOMENT,
    MICROSECONDS,
    T0,
    T_FAR,
    elapsed_seconds,
    from_datetime,
    later_by,
    most_ahead,
    parse_timestamp,
    render_timestamp,
    utc_date,
)

NOON = from_datetime(datetime(2026, 11, 21, 12, 0, tzinfo=UTC))
MINUTE = 60 * MICROSECONDS
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        # seconds and fraction may be missing
        ("2026-11-21T12:00Z", NOON),
        ("2026-11-21T12:00:00Z", NOON),
        ("2026-11-21T12:00:00.0Z", NOON),
        ("2026-11-21T12:00+00:00", NOON),
        # fractions of any length, cut after the sixth digit and never rounded
        ("2026-11-21T12:00:00.5Z", NOON + 500_000),
        ("2026-11-21T12:00:00.123Z", NOON + 123_000),
        ("2026-11-21T12:00:00.123456Z", NOON + 123_456),
        ("2026-11-21T12:00:00.1234567Z", NOON + 123_456),
        ("2026-11-21T12:00:00.9999999+00:00", NOON + 999_999),
        ("2026-11-21T12:00:00." + "0" * 5000 + "9Z", NOON),
        # offsets in three forms
        ("2026-11-21T12:00:00+05", NOON - 5 * HOUR),
        ("2026-11-21T12:00:00+0530", NOON - 5 * HOUR - 30 * MINUTE),
        ("2026-11-21T12:00:00+05:30", NOON - 5 * HOUR - 30 * MINUTE),
        ("2026-11-21T12:00:00-05:30", NOON + 5 * HOUR + 30 * MINUTE),
        ("2026-11-21T12:00-0530", NOON + 5 * HOUR + 30 * MINUTE),
        ("2026-11-21T12:00:00.25-23:59", NOON + 24 * HOUR - MINUTE + 250_000),
        ("2026-11-21T12:00:00-00:00", NOON),
        # both ends of time
        ("1970-01-01T00:00:00+00:00", T0),
        ("0001-01-01T00:00:00Z", FIRST_MOMENT),
        ("0001-01-01T00:00:00-00:01", FIRST_MOMENT + MINUTE),
        ("9999-12-31T23:59:59+00:00", T_FAR),
        ("9999-12-31T23:59:59Z", T_FAR),
        ("9999-12-31T23:59:59.999999Z", LAST_MOMENT),
        ("9999-12-31T23:59:59+14:00", T_FAR - 14 * HOUR),
        # both ends of time, as they are called elsewhere
        ("0001-01-01T05:30:00+05:30", FIRST_MOMENT),
        ("9999-12-31T18:29:59.999999-05:30", LAST_MOMENT),
        # leap days
        ("2024-02-29T00:00:00Z", from_datetime(datetime(2024, 2, 29, tzinfo=UTC))),
        ("2000-02-29T00:00:00+00:00", from_datetime(datetime(2000, 2, 29, tzinfo=UTC))),
    ],
)
def test_a_timestamp_in_the_one_form_is_read_exactly(text, moment):
    """Every form that the protocol allows names its instant, exact to the microsecond."""
    assert parse_timestamp(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-21",
        "2026-11-21T12Z",
        # no offset, or half of one
        "2026-11-21T12:00",
        "2026-11-21T12:00:00",
        "2026-11-21T12:00:00.5",
        "2026-11-21T12:00:00+",
        "2026-11-21T12:00:00+5",
        "2026-11-21T12:00:00+05:",
        "2026-11-21T12:00:00+05:3",
        "2026-11-21T12:00:00+053",
        "2026-11-21T12:00:00+24:00",
        "2026-11-21T12:00:00+05:60",
        "2026-11-21T12:00:00+05:30:00",
        "2026-11-21T12:00:00\N{MINUS SIGN}05:00",
        # other separators, letters and digits
        "2026-11-21 12:00:00Z",
        "2026-11-21t12:00:00Z",
        "2026-11-21T12:00:00z",
        "2026-11-21T12:00:00 Z",
        "2026/11/21T12:00:00Z",
        "20261121T120000Z",
        "2026-11-21T12:00:00,5Z",
        "2026-W47-6T12:00:00Z",
        "2026-325T12:00:00Z",
        "２０２６-11-21T12:00:00Z",
        "2026-11-21T12:00:00.٣Z",
        # fractions without digits or without seconds
        "2026-11-21T12:00:00.Z",
        "2026-11-21T12:00:00.+00:00",
        "2026-11-21T12:00.5Z",
        # too few or too many digits
        "2026-1-21T12:00:00Z",
        "2026-11-1T12:00:00Z",
        "026-11-21T12:00:00Z",
        "12026-11-21T12:00:00Z",
        "+2026-11-21T12:00:00Z",
        "2026-11-21T2:00:00Z",
        "2026-11-21T12:00:0Z",
        # what no clock and no calendar shows
        "2026-11-21T24:00:00Z",
        "2026-11-21T24:00:00+00:00",
        "2026-11-21T24:00Z",
        "2026-11-21T12:60:00Z",
        "2026-11-21T12:00:60Z",
        "2026-12-31T23:59:60Z",
        "2026-00-21T12:00:00Z",
        "2026-13-21T12:00:00Z",
        "2026-11-00T12:00:00Z",
        "2026-11-31T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "1900-02-29T12:00Z",
        "0000-01-01T00:00:00Z",
        # outside of the years 1 to 9999 once it is converted
        "0001-01-01T00:00:00+23:59",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59-00:01",
        # something around it
        " 2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00Z ",
        "2026-11-21T12:00:00Z\n",
        "2026-11-21T12:00:00+00:00\n",
    ],
)
def test_anything_else_is_no_timestamp(text):
    """There is one form only, without tolerance."""
    with pytest.raises(ValueError, match="timestamp"):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yesterday", "must be a timestamp with an offset"),
        ("2026-11-21T12:00:00", "must be a timestamp with an offset"),
        ("2026-02-29T12:00:00Z", "must be a timestamp of a day that exists"),
        ("2026-02-29T12:00Z", "must be a timestamp of a day that exists"),
        ("0001-01-01T00:00:00+00:01", "must be a timestamp within the years 1 to 9999"),
        ("9999-12-31T23:59:59-00:01", "must be a timestamp within the years 1 to 9999"),
    ],
)
def test_it_is_said_what_a_timestamp_must_be(text, said):
    """Operators read it in the detail of a dead letter, so it comes in exactly these words."""
    with pytest.raises(ValueError) as refused:
        parse_timestamp(text)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (T0, "1970-01-01T00:00:00+00:00"),
        (T0 - 1, "1969-12-31T23:59:59.999999+00:00"),
        (T_FAR, "9999-12-31T23:59:59+00:00"),
        (LAST_MOMENT, "9999-12-31T23:59:59.999999+00:00"),
        (FIRST_MOMENT, "0001-01-01T00:00:00+00:00"),
        (NOON + 500_000, "2026-11-21T12:00:00.500000+00:00"),
        (NOON + 1, "2026-11-21T12:00:00.000001+00:00"),
        (NOON, "2026-11-21T12:00:00+00:00"),
    ],
)
def test_a_moment_is_written_in_utc_with_six_digits_of_fraction_or_none(moment, text):
    """The server has exactly one text for each instant."""
    assert render_timestamp(moment) == text


@given(st.integers(FIRST_MOMENT, LAST_MOMENT), st.integers(-1439, 1439))
def test_an_instant_survives_any_offset(moment, offset_minutes):
    """What is written is read back as the same instant, whatever offset others write it with."""
    assert parse_timestamp(render_timestamp(moment)) == moment
    local = moment + offset_minutes * MINUTE
    if FIRST_MOMENT <= local <= LAST_MOMENT:
        sign = "-" if offset_minutes < 0 else "+"
        hours, minutes = divmod(abs(offset_minutes), 60)
        text = render_timestamp(local).replace("+00:00", f"{sign}{hours:02}:{minutes:02}")
        assert parse_timestamp(text) == moment


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_is_the_distance_from_1970(value):
    """Moments count microseconds, so they agree with the arithmetic of the calendar."""
    moment = from_datetime(value)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment) == value
    assert utc_date(moment) == value.date()
    assert parse_timestamp(value.isoformat()) == moment


@pytest.mark.parametrize(
    ("duration", "result"),
    [
        (0, LAST_MOMENT - DAY),
        (DAY, LAST_MOMENT),
        (DAY + 1, T_FAR),
        (2**31 * MICROSECONDS, T_FAR),
        (-DAY, LAST_MOMENT - 2 * DAY),
    ],
)
def test_sums_beyond_the_year_9999_are_cut(duration, result):
    """A deadline that no clock can show is T_FAR."""
    assert later_by(LAST_MOMENT - DAY, duration) == result


def test_time_that_runs_backwards_does_not_count():
    """Elapsed seconds are exact and never negative."""
    assert elapsed_seconds(NOON, NOON + 1_500_000) == 1.5
    assert elapsed_seconds(NOON, NOON) == 0.0
    assert elapsed_seconds(NOON + 1, NOON) == 0.0


@pytest.mark.parametrize(
    ("duration", "ahead"),
    [(0, 0), (23, 0), (24, 1), (49, 2), (24 * HOUR, HOUR), (25 * HOUR, HOUR)],
)
def test_a_clock_may_be_ahead_by_a_part_of_the_wait(duration, ahead):
    """By whole microseconds, as all moments; at most by an hour."""
    found = most_ahead(duration)
    assert (found, type(found)) == (ahead, int)
