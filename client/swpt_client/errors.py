"""Why a call changes nothing and sends nothing: exceptions that name the key, the state and the field."""

from typing import Final

from .inputs import Refusal
from .records import AccountKey
from .store.base import Overtaken, StoreAway, UnfitStore

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
    "UnfitStore",
    "Unsettled",
    "refused",
]


class Refused(Exception):
    """A call that changes nothing and sends nothing.

    `key` is the caller's key, or the AccountKey of an account; `state` is that of the record, or
    empty; `field` is the argument of the call that is the matter, or empty; `detail` says what is
    the matter with it; `code` is the name of the class in capitals.  See `inputs.Refusal`.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal
        self.code: str = refusal.code
        self.key: str | AccountKey = refusal.key
        self.state: str = refusal.state
        self.field: str = refusal.field
        self.detail: str = refusal.detail

    def __str__(self) -> str:
        """For a person: all of it in one line."""
        text = f"{self.key!r}: {self.code}"
        if self.state:
            text += f" (it is {self.state})"
        rest = f"{self.field} {self.detail}".strip()
        return f"{text}: {rest}" if rest else text


class BadField(Refused):
    """A value that the protocol, or this client, does not allow; `field` names the argument."""


class NotFound(Refused):
    """Nothing is known under this key; `detail` says what was looked for."""


class KeyConflict(Refused):
    """The key stands for something else: one key, one outcome, for ever.

    `field` is the first argument in which the call differs from the one that took the key.
    """


class AlreadyDecided(Refused):
    """Another decision has left, or has been remembered before (protocol.rst, FinalizeTransfer).

    For one prepared transfer only one decision is ever sent.
    """


class Parked(Refused):
    """It waits for a person, after a restore: `swpt-client resume`, or `abandon`."""


class NotParked(Refused):
    """It does not wait for a person."""


class InBundle(Refused):
    """Only the bundle decides about its legs."""


class LedgerIsBehind(Refused):
    """The server has told of transfers that this client does not know: it may have been restored.

    The account takes no new transfers until they arrive, or `swpt-client close-tails` is typed.
    """


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
    """The exception for a refusal; `errors` raises nothing by itself."""
    return _CLASSES[refusal.code](refusal)
