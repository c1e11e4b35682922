"""Who asks: a key in the header `api_key`, of a trader or of the operator."""

from typing import Final

import msgspec

from house.api_keys import key_owner
from house.problems import Problem

OPERATOR: Final = "operator"
_TRADER: Final = "trader:"


class Caller(msgspec.Struct, frozen=True):
    """Whose key it is."""

    trader_id: str | None
    """None for the operator."""

    @property
    def is_operator(self) -> bool:
        """May see everything, admit traders, and issue money."""
        return self.trader_id is None


def owner_name(trader_id: str | None) -> str:
    """The name under which keys of a trader, or of the operator, are kept."""
    return OPERATOR if trader_id is None else _TRADER + trader_id


def caller_of(owner: str) -> Caller:
    """Who has keys, and visits, under this name."""
    return Caller(None if owner == OPERATOR else owner.removeprefix(_TRADER))


def caller() -> Caller:
    """Who makes this request.  Raises Problem NOT_KNOWN, and TOO_MANY_TRIES for who guesses."""
    return caller_of(key_owner())


def trader() -> str:
    """The trader who makes this request.  Raises Problem NOT_ALLOWED for the operator."""
    found = caller()
    if found.trader_id is None:
        raise Problem("NOT_ALLOWED", "Only traders do that; the operator owns nothing.")
    return found.trader_id


def operator() -> Caller:
    """Who makes this request, who must be the operator.  Raises Problem NOT_ALLOWED as well."""
    found = caller()
    if not found.is_operator:
        raise Problem("NOT_ALLOWED", "Only the operator does that.")
    return found


def trader_or_operator(trader_id: str) -> Caller:
    """Who makes this request, who must be this trader, or the operator.  Raises Problem NOT_YOURS as well."""
    found = caller()
    if not found.is_operator and found.trader_id != trader_id:
        raise Problem("NOT_YOURS", "The key belongs to somebody else.")
    return found
