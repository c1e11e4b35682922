"""Interest, balances and guarantees: the arithmetic of rules.md#interest-and-balances.

All formulas are evaluated in binary64, in the written order, and only here.
"""

import math
from functools import lru_cache
from typing import Final

from swpt_accounts.wire.moments import Moment, elapsed_seconds
from swpt_accounts.wire.numbers import DEMURRAGE_RATE, MAX_INT64, SECONDS_PER_YEAR

INTEREST_BOUND: Final = 2.0**63


def contain(value: int) -> int:
    """Cut an exact amount to ±MAX_INT64 (rules.md#numbers-and-time)."""
    if -MAX_INT64 <= value <= MAX_INT64:
        return value
    return MAX_INT64 if value > 0 else -MAX_INT64


def bound_interest(value: float) -> float:
    """Cut a computed interest that is not finite or too large to ±2^63 (rules.md#numbers-and-time)."""
    if -INTEREST_BOUND < value < INTEREST_BOUND:
        return value
    return -INTEREST_BOUND if value < 0.0 else INTEREST_BOUND


@lru_cache(maxsize=4096)
def rate_constant(interest_rate: float) -> float:
    """k(r): the growth per second at `interest_rate` percent per year (rules.md#rate-constant)."""
    return math.log1p(interest_rate / 100.0) / SECONDS_PER_YEAR


def _growth(exponent: float) -> float:
    """expm1, with infinity where the result does not fit binary64."""
    try:
        return math.expm1(exponent)
    except OverflowError:
        return math.inf


def accumulated_interest(
    principal: int, interest: float, interest_rate: float, since: Moment, at: Moment
) -> float:
    """x(t): the interest accumulated at the moment `at` (rules.md#interest-on-a-balance).

    `interest` is as of the moment `since`.  Zero and negative balances bear no interest.
    """
    if at <= since:
        return interest
    balance = float(principal) + interest
    if balance <= 0.0:
        return interest
    growth = _growth(rate_constant(interest_rate) * elapsed_seconds(since, at))
    return bound_interest(interest + balance * growth)


def whole_balance(principal: int, interest: float) -> int:
    """W: the balance in whole units, exact also beyond 2^53 (rules.md#whole-balance)."""
    return contain(principal + math.floor(interest))


def guaranteed_amount(locked_amount: int, age_seconds: float) -> int:
    """R(s): what a reservation of this age still guarantees (rules.md#what-a-reservation-guarantees)."""
    shrinkage = float(locked_amount) * math.expm1(rate_constant(DEMURRAGE_RATE) * age_seconds)
    return locked_amount + math.floor(shrinkage)


def due_interest(
    amount: int,
    committed_at: Moment,
    now: Moment,
    interest_rate: float,
    previous_interest_rate: float,
    last_interest_rate_change_ts: Moment,
) -> float:
    """The interest that a late credit would have earned (rules.md#interest-of-a-late-credit)."""
    if now <= committed_at:
        return 0.0
    changed_at = min(last_interest_rate_change_ts, now)
    before = elapsed_seconds(committed_at, changed_at)
    after = min(elapsed_seconds(committed_at, now), elapsed_seconds(changed_at, now))
    exponent = rate_constant(previous_interest_rate) * before + rate_constant(interest_rate) * after
    return bound_interest(float(amount) * _growth(exponent))
