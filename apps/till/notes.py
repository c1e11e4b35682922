"""Notes of the till's transfers: what a person reads, and the deed to which the entry belongs.  Pure."""

import re
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

MOST_CHARACTERS: Final = 100
"""Of what a person writes, and of names: with four bytes each they fit into a note."""
_TAIL: Final = re.compile(
    r"(.*) \[([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\]", re.DOTALL
)


class Kind(StrEnum):
    """What a deed is, and, but for UNDO, the note format of its transfer."""

    PURCHASE = "buy"
    RECHARGE = "fill"
    TRANSFER = "give"
    PAYOUT = "out"
    LINE = "line"
    """Sets how far somebody may be below zero.  Only the administration has it."""
    UNDO = "undo"
    OTHER = "other"
    """An entry that the till has not made."""


UNDOABLE: Final = (Kind.PURCHASE, Kind.RECHARGE, Kind.TRANSFER)
_WITH_ROOT: Final = frozenset({Kind.RECHARGE, Kind.PAYOUT, Kind.LINE})


class Note(msgspec.Struct, frozen=True):
    """What a note says."""

    what: str
    deed_id: UUID | None


def write(what: str, deed_id: UUID) -> str:
    """The note of a deed's transfer."""
    return f"{what} [{deed_id}]"


def read(note: str) -> Note:
    """What somebody has written; a note without a deed is all words."""
    found = _TAIL.fullmatch(note)
    return Note(note, None) if found is None else Note(found.group(1), UUID(found.group(2)))


def kind_of(note_format: str, *, is_with_root: bool) -> Kind:
    """What an entry is.

    What changes a line, fills or pays out is between the person and the account that issues the
    currency: whoever else writes such a format, has sent ordinary money.
    """
    try:
        kind = Kind(note_format)
    except ValueError:
        return Kind.OTHER
    return Kind.OTHER if kind in _WITH_ROOT and not is_with_root else kind
