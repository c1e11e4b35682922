"""A payment as a value: for calls that take many of them at once."""

import msgspec

from .limits import DIRECT
from .records import ANY_TERMS, Terms


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What `Agent.transfer` takes; see there."""

    key: str
    debtor_id: int
    sender: int
    recipient: str
    amount: int
    note: str = ""
    note_format: str = ""
    coordinator: str = DIRECT
    coordinator_id: int | None = None
    terms: Terms = ANY_TERMS
