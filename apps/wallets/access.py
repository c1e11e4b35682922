"""Who asks: a token in the header `Authorization: JWT …`, signed by us, good for a day."""

from typing import Any, Final

from flask import g, request
from sqlalchemy.orm import Session

from house.problems import Problem
from house.room import Room, room

from .tables import Client

PURPOSE: Final = "wallets token"
TOKEN_SECONDS: Final = 86400
_LONGEST: Final = 1000


def make_token(one: Room, client_id: int) -> str:
    """A token for a client."""
    return one.signing.sign(PURPOSE, client_id)


def read_token(token: str) -> int:
    """The client whose token it is.  Raises Problem NOT_KNOWN."""
    found: Any = room().signing.read(PURPOSE, token[:_LONGEST], seconds=TOKEN_SECONDS)
    if type(found) is not int:
        raise Problem("NOT_KNOWN", "The token is not valid: it is unknown, or a day old.")
    return found


def caller_id() -> int:
    """The client who makes this request.  Raises Problem NOT_KNOWN."""
    if "wallets_caller" not in g:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.upper() != "JWT" or not token:
            raise Problem("NOT_KNOWN", "Send the token as `Authorization: JWT TOKEN`.")
        g.wallets_caller = read_token(token.strip())
    found: int = g.wallets_caller
    return found


def caller(session: Session) -> Client:
    """The client who makes this request.  Raises Problem NOT_KNOWN, also for one who has left."""
    found = session.get(Client, caller_id())
    if found is None or found.closed_at is not None:
        raise Problem("NOT_KNOWN", "The wallet of this token is closed.")
    return found
