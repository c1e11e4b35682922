"""Why a call changes nothing and sends nothing: exceptions that name the key, the state and the field."""

from typing import Final

from .inputs import Refusal
from .store.base import Overtaken, StoreAway

__all__ = [
    "AlreadyDecided",
    "BadField",
    "InBundle",
    "KeyConflict",
    "LedgerIsBehind",
    "NotFound",
    "NotParked",
    "Overtaken",
    "Parked",
    "Refused",
    "StoreAway",
    "Unsettled",
    "refused",
]


class Refused(Exception):
    """A call that changes nothing; `refusal` has the key, the state, and the field if there is one."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(_text_of(refusal))
        self.refusal = refusal


def _text_of(refusal: Refusal) -> str:
    text = f"{refusal.key!r}: {refusal.code}"
    if refusal.state:
        text += f" (it is {refusal.state})"
    if refusal.field:
        text += f": {refusal.field} {refusal.detail}"
    return text


class BadField(Refused):
    """A value that the protocol, or this client, does not allow; `refusal.field` names it."""


class NotFound(Refused):
    """Nothing is known under this key."""


class KeyConflict(Refused):
    """The key stands for something else: one key, one outcome, for ever."""


class AlreadyDecided(Refused):
    """Another decision has left, or has been remembered before."""


class Parked(Refused):
    """It waits for a person, after a restore."""


class NotParked(Refused):
    """It does not wait for a person."""


class InBundle(Refused):
    """Only the bundle decides about its legs."""


class LedgerIsBehind(Refused):
    """The server has told of transfers that this client does not know: it may have been restored."""


class Unsettled(Refused):
    """A leg of the bundle must be settled before."""


_CLASSES: Final[dict[str, type[Refused]]] = {
    "BAD_FIELD": BadField,
    "NOT_FOUND": NotFound,
    "KEY_CONFLICT": KeyConflict,
    "ALREADY_DECIDED": AlreadyDecided,
    "PARKED": Parked,
    "NOT_PARKED": NotParked,
    "IN_BUNDLE": InBundle,
    "LEDGER_IS_BEHIND": LedgerIsBehind,
    "UNSETTLED": Unsettled,
}


def refused(refusal: Refusal) -> Refused:
    """The exception for a refusal."""
    return _CLASSES[refusal.code](refusal)
