"""Ids are one number in two forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.wire.numbers import MAX_INT64, MAX_UINT64, MIN_INT64, i64, u64


@pytest.mark.parametrize(
    ("signed", "unsigned"),
    [(0, 0), (1, 1), (MAX_INT64, 2**63 - 1), (MIN_INT64, 2**63), (-2, 2**64 - 2), (-1, MAX_UINT64)],
)
def test_an_id_has_a_signed_and_an_unsigned_form(signed, unsigned):
    """Messages write it signed, identifiers of accounts and paths unsigned."""
    assert (u64(signed), i64(unsigned)) == (unsigned, signed)


@given(st.integers(MIN_INT64, MAX_INT64))
def test_both_forms_lead_back(number):
    """Nothing is lost on the way, and what is signed already stays as it is."""
    assert i64(u64(number)) == number == i64(number)
    assert 0 <= u64(number) <= MAX_UINT64
