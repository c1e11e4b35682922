"""One-time tokens: given out by the till with each form, and the key of whatever is asked for with it."""

import secrets
from typing import Any, Final

from sqlalchemy.orm import Session

from house.problems import Problem
from house.room import Room

from .tables import Request

PURPOSE: Final = "till one-time token"
_FRESH_SECONDS: Final = 86400
_EVER_SECONDS: Final = 100 * 366 * 86400
_LONGEST: Final = 300
ADMINISTRATION: Final = 0
"""Whose tokens the administration's are."""


def make_token(room: Room, who: int) -> str:
    """A new token, that only this person can use."""
    return room.signing.sign(PURPOSE, [who, secrets.token_urlsafe(12)])


def key_of(room: Room, session: Session, token: str, who: int) -> str:
    """The key that a token of this person stands for.

    Raises Problem UNKNOWN_TOKEN for one that is forged, or is of yesterday and was never used;
    NOT_YOURS for somebody else's.
    """
    found: Any = room.signing.read(PURPOSE, token[:_LONGEST], seconds=_EVER_SECONDS)
    if not isinstance(found, list):
        raise Problem("UNKNOWN_TOKEN")
    owner, nonce = found
    if owner != who:
        raise Problem("NOT_YOURS", "This form is somebody else's: load the page again.")
    key = f"token:{nonce}"
    is_fresh = room.signing.read(PURPOSE, token[:_LONGEST], seconds=_FRESH_SECONDS) is not None
    if not is_fresh and session.get(Request, key) is None:
        raise Problem("UNKNOWN_TOKEN")
    return key
