"""Amounts are exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from house.money import MOST_CENTS, InvalidAmount, parse, show, show_for_people

AMOUNTS = [
    ("1.20", 120),
    ("1.2", 120),
    ("1", 100),
    (" 0.01 ", 1),
    ("9999999.99", 999_999_999),
    ("007", 700),
    (5, 500),
]
NO_AMOUNTS: list[object] = [
    1.2, 1.0, float("nan"), True, None, [], {}, "", "1.", ".5", "1,20", "1.234", "1e3", "0", "0.00", 0, -1,
    "-1.20", "−1.20", "10000000.00", 10_000_000, "+1", "1 000", "٣", "0x10", "Infinity", "1.2\n3", "9" * 400,
]  # fmt: skip


@pytest.mark.parametrize(("written", "cents"), AMOUNTS)
def test_what_is_an_amount(written: object, cents: int) -> None:
    """Texts with at most two decimals, and whole units."""
    assert parse(written) == cents


@pytest.mark.parametrize("written", NO_AMOUNTS, ids=lambda one: repr(one)[:20])
def test_what_is_no_amount(written: object) -> None:
    """Floats, zero, negative amounts, three decimals, too much, and everything else."""
    with pytest.raises(InvalidAmount):
        parse(written)


@given(st.integers(1, MOST_CENTS))
def test_what_is_shown_is_read(cents: int) -> None:
    """There and back."""
    assert parse(show(cents)) == cents


@given(st.text())
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    """Nothing else is raised."""
    try:
        assert 0 < parse(text) <= MOST_CENTS
    except InvalidAmount:
        pass


def test_people_read_thousands_and_a_minus_sign() -> None:
    """As banks print it."""
    assert (show_for_people(-123_450), show(-123_450)) == ("−1,234.50", "-1234.50")
