"""What moves the tables: calls of the application and of persons, reports of the transport, due moments.

Messages from the server are inputs too, as they are (see `messages`).
"""

from typing import TypeAlias

import msgspec

from .messages import ServerMessage
from .moments import Moment
from .records import AccountKey, Decision, Leg, Request


class _Input(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What all inputs share."""


# --- calls of the application: each has an answer -------------------------------------------------


class Configure(_Input, frozen=True, kw_only=True):
    """Open an account, configure it anew, schedule it for deletion (bit 0 of the flags), reopen it.

    Answer: the Account.
    """

    key: AccountKey
    negligible_amount: float = 0.0
    config_flags: int = 0
    config_data: str = ""


class Begin(_Input, frozen=True, kw_only=True):
    """Begin a transfer; with a decision it is committed as soon as it is prepared.

    Answer: the Transfer; for a known key the record as it is, if the request is the same.
    A decision that comes with a known key is treated as by `Commit`.
    """

    key: str
    request: Request
    decision: Decision | None = None


class Commit(_Input, frozen=True, kw_only=True):
    """Commit an amount of a transfer, now or as soon as it is prepared.  Answer: the Transfer."""

    key: str
    decision: Decision


class Dismiss(_Input, frozen=True, kw_only=True):
    """End a transfer so that nothing moves.  Answer: the Transfer."""

    key: str


class BeginBundle(_Input, frozen=True, kw_only=True):
    """Begin a bundle.  Answer: the Bundle; for a known key the record as it is, if the legs are the same."""

    key: str
    legs: tuple[Leg, ...]
    decide_within: int
    """Seconds."""
    repair_for: int = 7 * 86400
    """Seconds."""


class DismissBundle(_Input, frozen=True, kw_only=True):
    """End a bundle that is still PREPARING, so that nothing moves.  Answer: the Bundle."""

    key: str


# --- calls of persons ---------------------------------------------------------------------------


class Park(_Input, frozen=True, kw_only=True):
    """After a restore: a transfer or a bundle sends nothing any more.  Answer: the record, or None."""

    kind: str
    """`transfer` or `bundle`."""
    key: str


class Resume(_Input, frozen=True, kw_only=True):
    """A parked transfer goes on from what the evidence shows, a parked bundle from where it was.

    Without evidence a transfer goes on from where it was: the person vouches that what the
    backup does not know has not happened.  Answer: the record.
    """

    kind: str
    key: str


class Abandon(_Input, frozen=True, kw_only=True):
    """A parked transfer, or a bundle, ends so that nothing moves any more.  Answer: the record."""

    kind: str
    key: str


class CloseTail(_Input, frozen=True, kw_only=True):
    """After a restore: a ledger that is behind what the server has told is brought there by a dummy entry.

    What is stored is appended first.  Answer: the Account.
    """

    key: AccountKey


# --- reports ------------------------------------------------------------------------------------


class Ref(msgspec.Struct, frozen=True, gc=False):
    """Whose copy a message is: it travels with the message through the outbox, and comes back in `Sent`."""

    kind: str
    """`account` or `transfer`."""
    key: str | AccountKey
    copy: int
    """`Pace.copies` when it was made."""


class Sent(_Input, frozen=True, kw_only=True):
    """The broker has confirmed a message.  A copy of no interest any more is ignored."""

    ref: Ref
    at: Moment


class Due(_Input, frozen=True, kw_only=True):
    """The `due_at` of a record may have passed; what is not due (any more) is ignored."""

    kind: str
    """`account`, `transfer` or `bundle`."""
    key: str | AccountKey


Call: TypeAlias = Configure | Begin | Commit | Dismiss | BeginBundle | DismissBundle
PersonCall: TypeAlias = Park | Resume | Abandon | CloseTail
Input: TypeAlias = ServerMessage | Call | PersonCall | Sent | Due


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call changes nothing and sends nothing.

    `code` is one of BAD_FIELD, NOT_FOUND, KEY_CONFLICT (the key stands for something else),
    ALREADY_DECIDED, PARKED, NOT_PARKED, IN_BUNDLE (only the bundle decides about its legs),
    LEDGER_IS_BEHIND (the server has told of transfers that this client does not know; it may
    have been restored), UNSETTLED (a leg must be settled before).
    """

    code: str
    key: str | AccountKey
    state: str = ""
    """Of the record, empty if there is none."""
    field: str = ""
    """With BAD_FIELD: which one."""
    detail: str = ""
