"""Balances and guarantees, as a banker would calculate them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_client.formulas import amount_to_lock, balance_at, certain_amount, growth, is_about
from swpt_client.limits import AMOUNT_TOLERANCE, MAX_INT64, SECONDS_PER_YEAR
from swpt_client.moments import SECOND
from swpt_client.testing.strategies import amounts, demurrage_rates

YEAR = round(SECONDS_PER_YEAR) * SECOND
DAYS = 86400.0


@pytest.mark.parametrize(
    ("principal", "interest", "rate", "age", "is_root", "balance"),
    [
        (1000, 0.0, 5.0, YEAR, False, 1050.0),
        (1000, 100.0, 10.0, YEAR, False, 1210.0),
        (1000, 0.0, -50.0, YEAR, False, 500.0),
        (1000, 0.0, -50.0, 2 * YEAR, False, 250.0),
        # before the state: as it was then
        (1000, 1.5, 5.0, -YEAR, False, 1001.5),
        # debts bear no interest, and neither does what is nothing
        (-1000, 0.0, 5.0, YEAR, False, -1000.0),
        (10, -10.0, 5.0, YEAR, False, 0.0),
        # the root account never
        (-1000, 7.0, 5.0, YEAR, True, -1000.0),
        # everything is lost
        (1000, 0.0, -100.0, YEAR, False, 0.0),
        # what no binary64 number holds
        (1000, 0.0, 1e6, 1000 * YEAR, False, 2.0**63),
        # nothing stays nothing, at whatever rate, and half a unit grows
        (0, 0.0, 1e6, 10**6 * YEAR, False, 0.0),
        (0, 0.5, 10.0, YEAR, False, 0.55),
    ],
)
def test_the_balance_at_a_moment(principal, interest, rate, age, is_root, balance):
    """Interest accumulates on positive balances only."""
    assert balance_at(principal, interest, rate, 0, age, is_root=is_root) == pytest.approx(balance)


@pytest.mark.parametrize(
    ("locked", "rate", "days", "certain"),
    [
        (1000, -50.0, 0, 1000),
        (1000, -50.0, 10, 981),
        (1000, -50.0, 30, 944),
        (1000, -50.0, 90, 842),
        (1000, 0.0, 10_000, 1000),
        (1000, -100.0, 0, 1000),
        (1000, -100.0, 1, 0),
        (9900, -50.0, 60 / DAYS, 9899),
        (0, -50.0, 90, 0),
        (MAX_INT64, -50.0, 0, MAX_INT64),
    ],
)
def test_what_is_certain_of_a_lock(locked, rate, days, certain):
    """The worst rate gnaws at it from the moment of the preparation."""
    assert certain_amount(locked, rate, days * DAYS) == certain


@pytest.mark.parametrize(
    ("amount", "rate", "seconds", "lock"),
    [
        # one hour at the worst rate
        (9900, -50.0, 3600.0, 9902),
        (9900, 0.0, 3600.0, 9900),
        (9900, -50.0, 0.0, 9900),
        (9900, -100.0, 1.0, None),
        (MAX_INT64, -50.0, 3600.0, None),
        # exactly the amount is left
        (174, -99.0, 1e7, 750),
        # where binary64 counts in hundreds, some more
        (2062993101586307672, -1e-9, 1.0, 2062993101586308044),
        (4360456939469838016, -10.0, 1.0, 4360456954027979722),
    ],
)
def test_how_much_to_lock(amount, rate, seconds, lock):
    """So much that the amount is certain at the end."""
    assert amount_to_lock(amount, rate, seconds) == lock


@given(st.integers(1, MAX_INT64), demurrage_rates, st.floats(0.0, 1e8))
def test_what_is_locked_is_enough(amount, rate, seconds):
    """For every amount, rate and time."""
    locked = amount_to_lock(amount, rate, seconds)
    assert locked is None or certain_amount(locked, rate, seconds) >= amount


@given(amounts, demurrage_rates, st.floats(0.0, 1e10), st.floats(0.0, 1e10))
def test_a_lock_only_shrinks(locked, rate, a, b):
    """Later, less is certain; never more than was locked, never less than nothing."""
    assert 0 <= certain_amount(locked, rate, max(a, b)) <= certain_amount(locked, rate, min(a, b)) <= locked


def test_amounts_that_other_servers_round():
    """Equal up to the hundred thousandth part."""
    assert is_about(0.0, 0.0, AMOUNT_TOLERANCE)
    assert is_about(4.0, 3.0, 0.25)
    assert is_about(1e30, 1.000009e30, AMOUNT_TOLERANCE)
    assert not is_about(1e30, 1.00002e30, AMOUNT_TOLERANCE)
    assert not is_about(0.0, 1e-9, AMOUNT_TOLERANCE)


def test_an_account_is_no_root_account_unless_it_is_said():
    """It bears interest."""
    assert balance_at(1000, 0.0, 5.0, 0, YEAR) == pytest.approx(1050.0)


def test_growth_has_an_end():
    """Where binary64 ends, it is infinite."""
    assert growth(1e6, 1e12) == float("inf")
    assert growth(-100.0, 1e-9) == -1.0
