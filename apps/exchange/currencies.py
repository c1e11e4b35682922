"""The currencies of the exchange, all of which it issues: their codes, and their desks."""

from typing import Final

from house.desk import Desk
from house.problems import Problem
from house.room import Room

CODES: Final = ("OAK", "ASH", "ELM", "FIR", "YEW")
"""Their debtor ids follow each other; another one is added at the end."""


def desks(room: Room) -> dict[str, Desk]:
    """The desk of each currency, by its code."""
    return dict(zip(CODES, room.desks, strict=True))


def desk(room: Room, code: str) -> Desk:
    """The desk of a currency.  Raises Problem UNKNOWN_CURRENCY."""
    found = desks(room).get(code)
    if found is None:
        raise Problem("UNKNOWN_CURRENCY", f"The currencies are {', '.join(CODES)}.")
    return found


def code_of(room: Room, debtor_id: int) -> str | None:
    """The code of a currency; None if it is none of ours."""
    place = debtor_id - room.settings.debtor_id
    return CODES[place] if 0 <= place < len(CODES) else None
