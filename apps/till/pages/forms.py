"""Fields of forms, read strictly; what is wrong is a Problem that says what is expected."""

from flask import request

from house import money
from house.problems import Problem


def field(name: str, *, most: int = 100, least: int = 1) -> str:
    """A text without control characters; raises Problem INVALID_FIELDS."""
    found = request.form.get(name, "").strip()
    if not least <= len(found) <= most or not found.isprintable():
        size = f"{least} to {most}" if least else f"at most {most}"
        sentence = f"must have {size} characters, and none that cannot be seen."
        raise Problem("INVALID_FIELDS", f"{name.capitalize()}: {sentence}", fields={name: sentence})
    return found


def amount(name: str, *, most: int = money.MOST_CENTS, is_zero_fine: bool = False) -> int:
    """Cents; people also write a comma.  Raises Problem INVALID_AMOUNT."""
    found = request.form.get(name, "").strip().replace(",", ".")
    if is_zero_fine and found in ("0", "0.0", "0.00"):
        return 0
    try:
        return money.parse(found, most=most)
    except money.InvalidAmount as error:
        raise Problem("INVALID_AMOUNT", str(error), fields={name: str(error)}) from None


def whole(name: str, least: int, most: int) -> int:
    """A whole number; raises Problem INVALID_FIELDS."""
    found = request.form.get(name, "").strip().replace("\N{MINUS SIGN}", "-")
    digits = found.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) < 20 and least <= int(found) <= most:
        return int(found)
    sentence = f"must be a whole number between {least} and {most}."
    raise Problem("INVALID_FIELDS", f"{name.capitalize()}: {sentence}", fields={name: sentence})
