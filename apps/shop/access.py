"""Who asks: a token in the header `Authorization: Token …`, signed by us, good for a day."""

from typing import Any, Final

from flask import g, request
from sqlalchemy.orm import Session

from house.problems import Problem
from house.room import Room, room

from .tables import Seller

PURPOSE: Final = "shop token"
TOKEN_SECONDS: Final = 86400
_LONGEST: Final = 1000


def make_token(one: Room, seller_id: int) -> str:
    """A token for somebody."""
    return one.signing.sign(PURPOSE, seller_id)


def caller_id() -> int:
    """Who makes this request.  Raises Problem NOT_KNOWN."""
    if "shop_caller" not in g:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "token" or not token:
            raise Problem("NOT_KNOWN", "Send the token as `Authorization: Token TOKEN`.")
        found: Any = room().signing.read(PURPOSE, token.strip()[:_LONGEST], seconds=TOKEN_SECONDS)
        if type(found) is not int:
            raise Problem("NOT_KNOWN", "The token is not valid: it is unknown, or a day old.")
        g.shop_caller = found
    known: int = g.shop_caller
    return known


def caller(session: Session) -> Seller:
    """Who makes this request.  Raises Problem NOT_KNOWN, also for one who has left."""
    found = session.get(Seller, caller_id())
    if found is None or found.closed_at is not None:
        raise Problem("NOT_KNOWN", "The account of this token is closed.")
    return found


def admin(session: Session) -> Seller:
    """Who makes this request, who must be an administrator.  Raises Problem NOT_ALLOWED as well."""
    found = caller(session)
    if not found.is_admin:
        raise Problem("NOT_ALLOWED", "Only an administrator does that.")
    return found
