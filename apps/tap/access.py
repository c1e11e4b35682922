"""Who asks: a key in the header `api_key`."""

from logging import getLogger
from typing import Final

from flask import request

from house.problems import Problem
from house.room import room

from .api_keys import Caller, find_caller

HEADER: Final = "api-key"
"""The web server reads `api_key` as this."""
_logger = getLogger(__name__)


def caller() -> Caller:
    """Who makes this request.  Raises Problem NOT_KNOWN, and TOO_MANY_TRIES for who guesses."""
    throttle, address = room().throttle, f"address {request.remote_addr}"
    key = request.headers.get(HEADER, "")
    if not key:
        raise Problem("NOT_KNOWN", "Send your key in the header `api_key`.")
    throttle.check(address)
    found = room().database.transact(lambda session: find_caller(session, key))
    if found is None:
        throttle.note(address)
        path = ascii(request.path)  # as it is, it could say to a terminal what it liked
        _logger.warning("Error 500-key: a wrong key from %s for %s.", request.remote_addr, path)
        raise Problem("NOT_KNOWN", "This is nobody's key.")
    return found


def user(user_id: str) -> Caller:
    """Who makes this request, who must be this user.  Raises Problem NOT_YOURS as well."""
    found = caller()
    if found.user_id != user_id:
        raise Problem("NOT_YOURS", "The key belongs to somebody else.")
    return found


def operator() -> Caller:
    """Who makes this request, who must be the operator.  Raises Problem NOT_ALLOWED as well."""
    found = caller()
    if not found.is_operator:
        raise Problem("NOT_ALLOWED", "Only the operator does that.")
    return found


def user_or_operator(user_id: str) -> Caller:
    """Who makes this request, who must be this user, or the operator.  Raises Problem NOT_YOURS as well."""
    found = caller()
    if not found.is_operator and found.user_id != user_id:
        raise Problem("NOT_YOURS", "The key belongs to somebody else.")
    return found
