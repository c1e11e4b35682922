"""What a leg does, in words: pure."""

from typing import Final

import msgspec


class Told(msgspec.Struct, frozen=True):
    """A word with a colour, and a sentence."""

    kind: str
    """good, warn, bad, or empty."""
    word: str
    sentence: str


_PAID: Final = {
    "direct": Told("good", "paid", "It is on the account of who receives it."),
    "in": Told("good", "in escrow", "It is on the account of the exchange."),
    "out": Told("good", "paid out", "It is on the account of who receives it."),
    "back": Told("good", "given back", "It is on the account from which it came."),
}
_REASONS: Final = {
    "INSUFFICIENT_AVAILABLE_AMOUNT": "There was not enough money on the account.",
    "NEWER_INTEREST_RATE": "The interest rate changed before the commit.",
    "TIMEOUT": "The deadline had passed before the commit arrived.",
    "RECIPIENT_IS_UNREACHABLE": "The account that was to receive it is gone.",
    "SENDER_IS_UNREACHABLE": "The account that was to pay is gone.",
    "TOO_MANY_TRANSFERS": "Too many transfers of this account are under way.",
    "DISMISSED": "It was let go, because not all could be had.",
    "CANCELLED": "It was let go before it was locked, because not all could be had.",
}
_UNDER_WAY: Final = {
    "initiated": Told("warn", "asked", "The accounting server has not answered yet."),
    "prepared": Told("warn", "locked", "The amount is locked, and waits for the others."),
    "settled": Told("warn", "decided", "The decision is on its way to the accounting server."),
}


def tell(
    *, kind: str, bundle: str, state: str, outcome: str, failure: str, is_paid: bool, is_paid_back: bool
) -> Told:
    """How far a leg is in a step; a guard for each answer, the most that has happened first."""
    if is_paid_back:
        return Told("good", "paid back", "It was paid, and came back because others could not follow.")
    if is_paid or outcome == "OK":
        return _PAID[kind]
    if bundle == "repairing" and failure:
        return Told("warn", "tried again", f"{reason(failure)} Nothing of it has moved; it is tried again.")
    if state in _UNDER_WAY:
        return _UNDER_WAY[state]
    why = failure or outcome
    if why in ("DISMISSED", "CANCELLED"):
        return Told("", "let go", f"{reason(why)} Nothing of it has moved.")
    return Told("bad", "failed", f"{reason(why)} Nothing of it has moved.")


def reason(code: str) -> str:
    """A code of the accounting server's as a sentence."""
    return _REASONS.get(code, f"The accounting server says {code}." if code else "")
