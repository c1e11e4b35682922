"""What one row of a table does: the record as it is then, messages, news."""

from typing import Generic, TypeVar

import msgspec

from .inputs import Ref, Refusal
from .messages import ClientMessage
from .news import News
from .records import Account, AccountKey, Bundle, Transfer
from .values import Fault

_R = TypeVar("_R", Account, Transfer, Bundle)


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message for the outbox.  Without `ref` nobody waits for its confirmation."""

    message: ClientMessage
    ref: Ref | None = None


class Step(msgspec.Struct, Generic[_R], frozen=True, gc=False):
    """What one row of a table does.  `fold` gathers the steps of a batch."""

    record: _R | None = None
    """Afterwards; None if there is none, or none any more."""
    outgoing: tuple[Outgoing, ...] = ()
    news: tuple[News, ...] = ()
    refusal: Refusal | None = None
    ignored: str = ""
    """The name of the row, if it ignores the input."""


def refuse(code: str, key: str | AccountKey, state: str = "", fault: Fault = None) -> Refusal:
    """Say no to a call; the fault has the field, and what is the matter with it."""
    field, detail = fault or ("", "")
    return Refusal(code=code, key=key, state=state, field=field, detail=detail)


def not_found(key: str | AccountKey, what: str) -> Refusal:
    """Nothing stands under a key."""
    return refuse("NOT_FOUND", key, fault=("key", f"stands for no {what}"))
