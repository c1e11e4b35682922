"""What a step of a bundle consists of: attempts, verdicts, ends."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from .checks import LEG_PREFIX
from .limits import INSUFFICIENT_AVAILABLE_AMOUNT, NEWER_INTEREST_RATE, RECIPIENT_IS_UNREACHABLE, TIMEOUT
from .moments import Moment
from .news import BundleFinished, News, Surprise
from .records import Bundle, BundleState, Decision, Leg, Outcome, Request, Transfer, TransferState

REPAIRABLE: Final = frozenset(
    {
        TIMEOUT,
        NEWER_INTEREST_RATE,
        INSUFFICIENT_AVAILABLE_AMOUNT,
        RECIPIENT_IS_UNREACHABLE,
        # Nothing has moved, and nobody has refused: our own terms, or our own patience.
        str(Outcome.DISMISSED),
        str(Outcome.CANCELLED),
    }
)
UNCLEAR: Final = frozenset({str(Outcome.UNKNOWN), str(Outcome.UNEXPECTED)})
WITHOUT_LOCK: Final = frozenset({TransferState.FINISHED, TransferState.CANCELLED, TransferState.SETTLED})
ENDED: Final = frozenset({TransferState.FINISHED, TransferState.CANCELLED})
RUNNING: Final = frozenset({TransferState.INITIATED, TransferState.PREPARED})
LAST_STATES: Final = frozenset(
    {BundleState.DISMISSED, BundleState.DONE, BundleState.FAILED, BundleState.REVERSED, BundleState.TORN}
)


class Attempt(msgspec.Struct, frozen=True):
    """Begin a transfer for a leg."""

    key: str
    request: Request
    decision: Decision | None = None


class Verdict(msgspec.Struct, frozen=True):
    """Commit a leg, or dismiss it."""

    key: str
    decision: Decision | None
    """None dismisses."""


class Advance(msgspec.Struct, frozen=True):
    """What a bundle does in view of its legs."""

    bundle: Bundle
    acts: tuple[Attempt | Verdict, ...] = ()
    news: tuple[News, ...] = ()


def leg_key(bundle_key: str, leg: int, attempt: int, purpose: str = "") -> str:
    """The key of the transfer that stands for a leg; `purpose` is `back` for paying back."""
    return f"{LEG_PREFIX}{leg}.{purpose}{attempt}:{bundle_key}"


def decision_of(leg: Leg) -> Decision:
    """What is committed for a leg."""
    return Decision(
        committed_amount=leg.committed_amount,
        transfer_note=leg.transfer_note,
        transfer_note_format=leg.transfer_note_format,
    )


def dismiss_all(bundle: Bundle, legs: Sequence[Transfer], reason: str) -> Advance:
    """Let nothing move."""
    acts = tuple(Verdict(transfer.key, None) for transfer in legs if transfer.state in RUNNING)
    return Advance(replace(bundle, state=BundleState.DISMISSING, reason=reason), acts)


def finish(bundle: Bundle, state: BundleState, now: Moment) -> Advance:
    """The one outcome, and the news of it."""
    ended = replace(bundle, state=state, finished_at=now, due_at=None)
    return Advance(ended, news=(BundleFinished(bundle=ended),))


def tear(bundle: Bundle, reason: str, now: Moment) -> Advance:
    """A part has moved, and it is a person's turn."""
    torn = replace(
        bundle, state=BundleState.TORN, reason=reason, is_alarming=True, finished_at=now, due_at=None
    )
    return Advance(torn, news=(Surprise(kind="TORN", key=bundle.key), BundleFinished(bundle=torn)))


def alarm(bundle: Bundle) -> Advance:
    """A leg is unclear: a person has to look, and the other legs stand."""
    if bundle.is_alarming:
        return Advance(bundle)
    return Advance(replace(bundle, is_alarming=True), news=(Surprise(kind="UNKNOWN_LEG", key=bundle.key),))
