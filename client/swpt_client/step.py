"""What one row of a table does: the record as it is then, messages, news."""

from typing import Generic, TypeVar

import msgspec

from .inputs import Ref, Refusal
from .messages import ClientMessage
from .news import News
from .records import Account, AccountKey, Bundle, Transfer

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


def refuse(
    code: str, key: str | AccountKey, state: str = "", *, field: str = "", detail: str = ""
) -> Refusal:
    """Say no to a call."""
    return Refusal(code=code, key=key, state=state, field=field, detail=detail)
