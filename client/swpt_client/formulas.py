"""Arithmetic of balances and guarantees, in binary64, as the protocol defines it."""

import math
from typing import Final

from .limits import MAX_INT64, SECONDS_PER_YEAR
from .moments import SECOND, Moment

_MAX_REAL: Final = 2.0**63


def growth(rate: float, seconds: float) -> float:
    """By which part an amount grows in `seconds` at `rate` percent per year; negative if it shrinks.

    Infinite where binary64 ends; negative times count as 0.
    """
    if seconds <= 0.0:
        return 0.0
    if rate <= -100.0:
        return -1.0
    try:
        return math.expm1(math.log1p(rate / 100.0) / SECONDS_PER_YEAR * seconds)
    except OverflowError:
        return math.inf


def balance_at(
    principal: int, interest: float, interest_rate: float, since: Moment, at: Moment, *, is_root: bool = False
) -> float:
    """The balance of an account at a moment, interest included; `since` is its `last_change_ts`.

    Negative balances and root accounts bear no interest.
    """
    if is_root:
        return float(principal)
    balance = principal + interest
    if balance > 0.0:
        balance += balance * growth(interest_rate, (at - since) / SECOND)
    return max(-_MAX_REAL, min(balance, _MAX_REAL))


def certain_amount(locked_amount: int, demurrage_rate: float, seconds: float) -> int:
    """R(s): what can be committed for certain `seconds` after `prepared_at`, of what was locked then.

    Exactly the locked amount at 0 seconds, and at a rate of 0.
    """
    return max(0, locked_amount + math.floor(locked_amount * growth(demurrage_rate, seconds)))


def amount_to_lock(amount: int, demurrage_rate: float, seconds: float) -> int | None:
    """The least amount of which `amount` is still certain after `seconds`; None if none is enough.

    One unit more is locked where anything shrinks, because servers round by themselves.
    """
    shrinkage = growth(demurrage_rate, seconds)
    if shrinkage >= 0.0:
        return amount
    if shrinkage <= -1.0:
        return None
    needed = math.ceil(amount / (1.0 + shrinkage)) + 1
    while needed <= MAX_INT64 and certain_amount(needed, demurrage_rate, seconds) < amount:
        needed += 1 + amount // 2**52
    return needed if needed <= MAX_INT64 else None


def is_about(a: float, b: float, tolerance: float) -> bool:
    """Whether two amounts are equal up to a relative difference."""
    return a == b or abs(a - b) <= tolerance * max(abs(a), abs(b))
