"""Amounts of money: whole cents inside, "1.20" outside, and no floats anywhere."""

import re
from typing import Final

_WRITTEN: Final = re.compile(r"(\d{1,13})(?:\.(\d{1,2}))?", re.ASCII)
MOST_CENTS: Final = 999_999_999
"""9,999,999.99: the usual limit of one amount."""


class InvalidAmount(ValueError):
    """A value that is no amount; the text says what is expected."""


def parse(value: object, *, least: int = 1, most: int = MOST_CENTS) -> int:
    """The cents that a text like "1.20", or an integer of whole units, stands for.

    Raises InvalidAmount for everything else: floats, three decimals, amounts of less than `least` cents
    (usually zero and below), and amounts of more than `most` cents.
    """
    cents = _cents(value)
    if cents < least:
        expected = "more than zero" if least == 1 else f"at least {show(least)}"
        raise InvalidAmount(f"An amount must be {expected}.")
    if cents > most:
        raise InvalidAmount(f"An amount must be at most {show(most)}.")
    return cents


def _cents(value: object) -> int:
    if isinstance(value, float):
        raise InvalidAmount('An amount must be a text like "1.20": a float would be rounded.')
    if isinstance(value, int) and not isinstance(value, bool):
        return value * 100
    if isinstance(value, str):
        text = value.strip()
        is_negative = text.startswith(("-", "\N{MINUS SIGN}"))
        found = _WRITTEN.fullmatch(text[1:] if is_negative else text)
        if found is not None:
            units, decimals = found.groups()
            cents = int(units) * 100 + int((decimals or "").ljust(2, "0"))
            return -cents if is_negative else cents
    raise InvalidAmount('An amount must be a text like "1.20", with at most two decimals.')


def show(cents: int) -> str:
    """Cents as programs write them: "-1234.50"."""
    units, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{units}.{rest:02}"


def show_for_people(cents: int) -> str:
    """Cents as people read them: "−1,234.50"."""
    units, rest = divmod(abs(cents), 100)
    sign = "\N{MINUS SIGN}" if cents < 0 else ""
    return f"{sign}{units:,}.{rest:02}"
