"""The arithmetic of interest and guarantees, against the tables of rules.md#interest-and-balances."""

import math

import pytest

from swpt_accounts.rules.balances import (
    accumulated_interest,
    bound_interest,
    contain,
    due_interest,
    guaranteed_amount,
    rate_constant,
    whole_balance,
)
from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64
from tests.backstage.builders import DAY, HOUR, NOW, SECOND, YEAR

LONG_AGO = NOW - 10 * YEAR


def about(value: float) -> object:
    """Equal within the tolerance of rules.md#interest-and-balances."""
    return pytest.approx(value, rel=1e-9, abs=0.0)


def within_1e_10(value: float) -> object:
    """Equal within the tolerance of those rows of rules.md#interest-and-balances that state their own."""
    return pytest.approx(value, rel=0.0, abs=1e-10)


# -- the rate constant (rules.md#rate-constant) ------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "constant"),
    [
        (-50.0, -2.1964508725630127e-08),
        (-10.0, -3.338673272296572e-09),
        (3.567, 1.1106218557939947e-09),
        (5.0, 1.5460670066618503e-09),
        (10.0, 3.020197347210335e-09),
        (15.0, 4.428788703043282e-09),
        (100.0, 2.1964508725630127e-08),
    ],
)
def test_the_rate_constant_is_the_one_of_the_table(rate, constant):
    """k(r) has the values of the table, to the last digits."""
    assert rate_constant(rate) == pytest.approx(constant, rel=1e-15, abs=0.0)


def test_a_rate_of_zero_grows_nothing():
    """k(0) is exactly 0."""
    assert rate_constant(0.0) == 0.0
    assert accumulated_interest(1000, 0.0, 0.0, NOW, NOW + YEAR) == 0.0


@pytest.mark.parametrize(("principal", "interest"), [(0, 0.0), (-3, 3.0), (5, -5.0)])
def test_nothing_grows_to_nothing_however_long_it_lies(principal, interest):
    """Also when the growth itself is beyond all numbers."""
    assert accumulated_interest(principal, interest, 100.0, NOW, NOW + 5000 * YEAR) == interest


@pytest.mark.parametrize("interest", [0.0, -0.5])
def test_a_single_unit_bears_interest(interest):
    """And a part of one."""
    assert accumulated_interest(1, interest, 5.0, NOW, NOW + YEAR) > interest


# -- accumulated interest (rules.md#whole-balance) ---------------------------------------------


@pytest.mark.parametrize(
    ("principal", "interest", "rate", "elapsed", "expected"),
    [
        (1_000_000, 0.0, 10.0, 365 * DAY, 99_928.242451653),
        (1_000_000, 0.0, -10.0, 365 * DAY, 900_064.9061487499 - 1_000_000),
        (10**12, 0.0, 100.0, SECOND, 21_964.50896684995),
        (200, -150.0, 10.0, DAY, -149.986951045004),
        (10**18, 0.25, 5.0, SECOND, 1546067008.107012),
    ],
)
def test_interest_accumulates_as_in_the_check_values(principal, interest, rate, elapsed, expected):
    """x(t) has the check values of the rules (behaviour 46)."""
    assert accumulated_interest(principal, interest, rate, NOW, NOW + elapsed) == about(expected)


def test_ten_percent_of_a_thousand_is_a_hundred_after_a_year():
    """A year at ten percent gives a tenth, within 1e-10."""
    assert accumulated_interest(1000, 0.0, 10.0, NOW, NOW + YEAR) == within_1e_10(100.0)


@pytest.mark.parametrize("rate", [-50.0, -2.0, 0.0, 5.0, 100.0])
@pytest.mark.parametrize(
    ("principal", "interest"),
    [(0, 0.0), (-1, 0.0), (0, -0.3), (200, -200.0), (-500, 499.5), (-MAX_INT64, 0.0)],
)
def test_zero_and_negative_balances_bear_no_interest(principal, interest, rate):
    """The interest of a balance that is not above zero never changes, whatever the rate (behaviour 46)."""
    assert accumulated_interest(principal, interest, rate, NOW, NOW + YEAR) == interest


def test_interest_on_top_of_a_negative_principal_bears_interest():
    """What counts is the balance, not the principal alone."""
    assert accumulated_interest(-500, 1500.0, 10.0, NOW, NOW + YEAR) == about(1600.0)


@pytest.mark.parametrize("back", [0, 1, HOUR, YEAR])
def test_time_does_not_run_backwards(back):
    """A moment before the last change counts as the last change."""
    assert accumulated_interest(1000, 12.5, 100.0, NOW, NOW - back) == 12.5


def test_single_microseconds_count():
    """The elapsed time is exact to the microsecond."""
    assert accumulated_interest(10**18, 0.0, 100.0, NOW, NOW + 1) == about(10**18 * 2.1964508725630127e-14)


@pytest.mark.parametrize(("interest", "expected"), [(0.0, 2.0**63), (-1e18, 2.0**63)])
def test_growth_beyond_binary64_is_cut(interest, expected):
    """Interest that overflows is cut to 2^63."""
    centuries = 253402300799 * SECOND
    assert accumulated_interest(MAX_INT64, interest, 100.0, -centuries, centuries) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.inf, 2.0**63),
        (-math.inf, -(2.0**63)),
        (2.0**63, 2.0**63),
        (-(2.0**63), -(2.0**63)),
        (1e300, 2.0**63),
        (math.nextafter(2.0**63, 0.0), math.nextafter(2.0**63, 0.0)),
        (-0.3, -0.3),
    ],
)
def test_interest_is_cut_to_its_bounds(value, expected):
    """Computed interest that is infinite, or reaches 2^63, is cut; anything else stays."""
    assert bound_interest(value) == expected


def test_the_ratio_passes_a_ten_thousandth_after_three_quarters_of_a_day():
    """At five percent, interest is 0.0001 of the principal after what is rounded to 0.7486 days."""
    early, late = (NOW + round(days * DAY) for days in (0.74855, 0.74865))
    assert accumulated_interest(10**12, 0.0, 5.0, NOW, early) < 10**8
    assert accumulated_interest(10**12, 0.0, 5.0, NOW, late) > 10**8


# -- whole balances (rules.md#whole-balance) ---------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "interest", "whole"),
    [
        (1000, 0.0, 1000),
        (1000, 0.999, 1000),
        (200, -150.0, 50),
        (200, -149.986951045004, 50),
        (0, -0.3, -1),
        (0, 0.3, 0),
        (10**18, 1546067008.107012, 1_000_000_001_546_067_008),
        # beyond 2^53 a principal in binary64 would lose units
        (2**53 + 1, 0.0, 2**53 + 1),
        (MAX_INT64, 0.0, MAX_INT64),
        (MAX_INT64, -1.0, MAX_INT64 - 1),
        (-MAX_INT64 + 1, 0.5, -MAX_INT64 + 1),
        # contained
        (MAX_INT64, 1.0, MAX_INT64),
        (MAX_INT64, 2.0**63, MAX_INT64),
        (-MAX_INT64, -0.1, -MAX_INT64),
        (-MAX_INT64, -(2.0**63), -MAX_INT64),
        (-MAX_INT64, 2.0**63, 1),
    ],
)
def test_a_whole_balance_is_exact_and_contained(principal, interest, whole):
    """W is the principal plus the whole units of interest, exact for every principal (behaviour 46)."""
    assert whole_balance(principal, interest) == whole


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MAX_INT64, MAX_INT64),
        (MAX_INT64 + 1, MAX_INT64),
        (-MAX_INT64, -MAX_INT64),
        (MIN_INT64, -MAX_INT64),
        (-(10**40), -MAX_INT64),
        (0, 0),
    ],
)
def test_amounts_are_contained(value, expected):
    """Amounts stay within ±MAX_INT64; MIN_INT64 is never one of them (behaviour 45)."""
    assert contain(value) == expected


# -- demurrage of a reservation (rules.md#what-a-reservation-guarantees) -----------------------


@pytest.mark.parametrize(
    ("age_seconds", "guaranteed"),
    [
        (0.0, 1000),
        (1.0, 999),
        (86400.0, 998),
        (10 * 86400.0, 981),
        (30 * 86400.0, 944),
        (90 * 86400.0, 842),
    ],
)
def test_a_reservation_of_a_thousand_shrinks_as_in_the_table(age_seconds, guaranteed):
    """R(s) has the values of the table (behaviours 35 and 114)."""
    assert guaranteed_amount(1000, age_seconds) == guaranteed


@pytest.mark.parametrize(
    ("age_days", "factor"),
    [
        (1 / 86400, "0.99999997803549"),
        (1, "0.998104066"),
        (10, "0.98120160"),
        (30, "0.94465830"),
        (90, "0.84299351"),
    ],
)
def test_a_large_reservation_shows_the_factor_of_the_table(age_days, factor):
    """What is left of 10^15 has all digits of the factor."""
    digits = len(factor) - 2
    assert f"{guaranteed_amount(10**15, age_days * 86400.0) / 10**15:.{digits}f}" == factor


@pytest.mark.parametrize("amount", [0, 1, 1000, 2**53 + 1, MAX_INT64 - 1, MAX_INT64])
def test_a_fresh_reservation_guarantees_all_of_itself(amount):
    """R(0) is exactly the locked amount, also beyond 2^53."""
    assert guaranteed_amount(amount, 0.0) == amount


def test_a_reservation_never_guarantees_less_than_nothing():
    """After thousands of years nothing is left, but not less."""
    assert guaranteed_amount(1000, 1e12) == 0
    assert guaranteed_amount(0, 1e12) == 0


# -- due interest of late credits (rules.md#interest-of-a-late-credit) -------------------------


@pytest.mark.parametrize(
    ("amount", "late", "rate", "previous_rate", "changed", "expected"),
    [
        (1000, 2 * YEAR, 10.0, 0.0, NOW - YEAR, within_1e_10(100.0)),
        (-1000, 2 * YEAR, 10.0, 0.0, NOW - YEAR, within_1e_10(-100.0)),
        (1000, DAY, 10.0, 0.0, LONG_AGO, about(0.2609790999203267)),
        (1000, round(356.25 * DAY), 15.0, 5.0, NOW - 183 * DAY, about(97.64528106250685)),
        (1000, -5 * SECOND, 10.0, 5.0, LONG_AGO, 0.0),
        (1000, 0, 10.0, 5.0, LONG_AGO, 0.0),
        # the rate has changed at the moment of the commit, or later than now (a clock was set back)
        (1000, YEAR, 10.0, 50.0, NOW - YEAR, within_1e_10(100.0)),
        (1000, YEAR, 50.0, 10.0, NOW + DAY, within_1e_10(100.0)),
    ],
)
def test_a_late_credit_carries_the_interest_that_it_would_have_earned(
    amount, late, rate, previous_rate, changed, expected
):
    """The due interest has the check values, with one change of the rate at most (behaviour 44)."""
    assert due_interest(amount, NOW - late, NOW, rate, previous_rate, changed) == expected


def test_due_interest_is_cut_to_its_bounds():
    """A credit that is delayed by all of history carries 2^63 at most, in both directions."""
    centuries = 253402300799 * SECOND
    assert due_interest(MAX_INT64, -centuries, centuries, 100.0, 100.0, 0) == 2.0**63
    assert due_interest(-MAX_INT64, -centuries, centuries, 100.0, 100.0, 0) == -(2.0**63)


# -- the longer story (rules.md#whole-balance) -------------------------------------------------


def test_the_longer_story():
    """Growth, a commit, capitalization and a negative rate follow the story of rules.md#whole-balance."""
    principal, interest = 1_000_000, 0.0

    first = NOW + 30 * DAY
    interest = accumulated_interest(principal, interest, 5.0, NOW, first)
    assert interest == about(4015.446068191015)
    assert whole_balance(principal, interest) == 1_004_015

    principal -= 400_000
    assert whole_balance(principal, interest) == 604_015

    second = first + 10 * DAY
    interest = accumulated_interest(principal, interest, 5.0, first, second)
    assert interest == about(4822.830177461985)
    assert whole_balance(principal, interest) == 604_822

    principal, interest = principal + 4822, interest - 4822.0
    assert interest == about(0.8301774619849311)
    assert whole_balance(principal, interest) == 604_822

    interest = accumulated_interest(principal, interest, -2.0, second, second + 20 * DAY)
    assert interest == about(-667.8790629530273)
    assert whole_balance(principal, interest) == 604_154
