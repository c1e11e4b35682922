"""Moments are exact, and so are their texts."""

import pytest
from hypothesis import given

from swpt_client.moments import DAY, FIRST, LAST, T0, T_FAR, later_by, of_datetime, parse, render, to_datetime
from swpt_client.testing.strategies import moments


@given(moments)
def test_a_moment_survives_its_text(moment):
    """What is written is read back to the microsecond."""
    assert parse(render(moment)) == moment
    assert of_datetime(to_datetime(moment)) == moment


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-21", "2026-11-21T10:00:00+0000x", "٢٠٢٦-11-21T10:00:00Z"]
)
def test_other_texts_are_refused(text):
    """There is one form, with few variations."""
    with pytest.raises(ValueError, match="must be a timestamp"):
        parse(text)


def test_sums_end_with_the_calendar():
    """What would lie beyond the year 9999 is "no restriction"."""
    assert later_by(T0, DAY) == DAY
    assert later_by(LAST - 1, DAY) == T_FAR
    assert later_by(T_FAR, 10**30) == T_FAR
    assert later_by(FIRST, 0) == FIRST
