"""A chain of principals that is cut: what stays follows from the opening balance and the bridges."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts.rules.openings import Cut, cut, opening_balance
from tests.backstage.builders import NOW, rich


@pytest.mark.parametrize(
    ("opening", "gone", "expected"),
    [
        (0, [], Cut(0, [])),
        (7, [], Cut(7, [])),
        # a clean cut, in whatever order the entries are read
        (0, [(0, 10)], Cut(10, [])),
        (5, [(8, 6), (5, 8)], Cut(6, [])),
        (5, [(5, 8), (8, 5)], Cut(5, [])),
        # one that is later is gone, and one before it stays
        (0, [(10, 12)], Cut(0, [(10, 12)])),
        (0, [(0, 10), (13, 20)], Cut(10, [(13, 20)])),
    ],
)
def test_a_cut_is_an_opening_balance_and_bridges(opening, gone, expected):
    """Mostly the balance alone."""
    assert cut(opening, gone) == expected


def test_an_opening_balance_says_that_its_account_has_overflown():
    """Nothing of it moves; without the note the mark of the account would have no reason (rule V12)."""
    row = opening_balance(rich(5, is_overflown=True), NOW)
    assert (row.transfer_note, row.sender_principal, row.recipient_principal, row.amount) == (
        "overflown",
        5,
        5,
        0,
    )
    assert opening_balance(rich(5), NOW).transfer_note == ""


@given(
    opening=st.integers(-3, 3),
    amounts=st.lists(st.tuples(st.integers(-3, 3).filter(bool), st.booleans()), max_size=12),
)
def test_what_stays_adds_up_and_follows(opening, amounts):
    """Whatever entries go: the sum is right, and all ends but the last are beginnings."""
    principal = opening
    gone: list[tuple[int, int]] = []
    stay: list[tuple[int, int]] = []
    for amount, goes in amounts:
        (gone if goes else stay).append((principal, principal + amount))
        principal += amount
    found = cut(opening, gone)
    steps = [*stay, *found.bridges]
    assert found.principal + sum(after - before for before, after in steps) == principal
    ends = Counter(after for _, after in steps) + Counter([found.principal])
    assert ends == Counter(before for before, _ in steps) + Counter([principal])
    assert all(before != after for before, after in found.bridges)
