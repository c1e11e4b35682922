"""The way out of a parked transfer: a person resumes it, or abandons it."""

from typing import Final

from msgspec.structs import replace

from . import pace, transfer
from .limits import OK
from .messages import FinalizedTransfer, PreparedTransfer, RejectedTransfer
from .moments import Moment
from .records import DISMISSAL, Decision, Outcome, Transfer
from .step import Step, not_found, refuse
from .transfer import INITIATED, PARKED, SETTLED
from .transitions import (
    end,
    finalize_message,
    has_committed,
    has_right_parties,
    is_same,
    prepare_message,
    promise_of,
    settle,
)

_LEFT: Final = ("key", "stands for a transfer whose commit has left: it can only be resumed")


def resume(parked: Transfer | None, key: str, now: Moment) -> Step[Transfer]:
    """Go on from what the evidence shows; without evidence, from where it was."""
    if parked is None:
        return Step(refusal=not_found(key, "transfer"))
    if parked.state is not PARKED:
        return Step(parked, refusal=refuse("NOT_PARKED", key, parked.state))
    final = _final(parked)
    back = _back(parked, now)
    if final is not None:
        return _ended(back, final, now)
    if back.state is INITIATED:
        return _resume_initiated(back, now)
    if back.state is SETTLED:
        return Step(back, (finalize_message(back, now),))
    return Step(back)


def _resume_initiated(back: Transfer, now: Moment) -> Step[Transfer]:
    promise = _promise(back)
    if promise is not None:
        return transfer.prepared(back, promise, now)
    for evidence in back.evidence:
        if isinstance(evidence.message, RejectedTransfer):
            return transfer.rejected(back, evidence.message, now)
    return Step(back, (prepare_message(back, now),))


def abandon(parked: Transfer | None, key: str, now: Moment) -> Step[Transfer]:
    """Let nothing move any more; what is prepared is dismissed."""
    if parked is None:
        return Step(refusal=not_found(key, "transfer"))
    if parked.state is not PARKED:
        return Step(parked, refusal=refuse("NOT_PARKED", key, parked.state))
    final = _final(parked)
    back = _back(parked, now)
    if final is not None:
        return _ended(back, final, now)
    if back.state is SETTLED:
        if has_committed(back):
            return Step(parked, refusal=refuse("ALREADY_DECIDED", key, PARKED, _LEFT))
        return Step(back, (finalize_message(back, now),))
    promise = _promise(back)
    if back.prepared is None and promise is not None:
        back = replace(back, prepared=promise_of(promise))
    if back.prepared is not None:
        return settle(back, DISMISSAL, now, "ABANDONED")
    return transfer.dismiss(back, key, now, "ABANDONED")


def _back(parked: Transfer, now: Moment) -> Transfer:
    assert parked.parked_state is not None
    is_sending = parked.parked_state in (INITIATED, SETTLED)
    fresh = pace.begin(now, parked.pace) if is_sending else pace.quiet(now, parked.pace)
    return replace(parked, state=parked.parked_state, parked_state=None, pace=fresh)


def _promise(parked: Transfer) -> PreparedTransfer | None:
    """The latest promise between the right parties."""
    for evidence in reversed(parked.evidence):
        message = evidence.message
        if isinstance(message, PreparedTransfer) and has_right_parties(parked.request, message):
            return message
    return None


def _final(parked: Transfer) -> FinalizedTransfer | None:
    """What a former life of this client has brought about; what has moved money goes first."""
    finals = [
        evidence.message
        for evidence in parked.evidence
        if isinstance(evidence.message, FinalizedTransfer)
        and (evidence.message.debtor_id, evidence.message.creditor_id)
        == (parked.request.debtor_id, parked.request.creditor_id)
        and (parked.prepared is None or is_same(parked, evidence.message))
    ]
    return max(finals, key=lambda message: message.committed_amount, default=None)


def _ended(back: Transfer, final: FinalizedTransfer, now: Moment) -> Step[Transfer]:
    """The outcome that the message tells; the decision was made in a life that we do not remember."""
    moved = final.committed_amount
    if moved > 0 and (back.decision is None or back.decision.committed_amount != moved):
        back = replace(back, decision=Decision(committed_amount=moved))
    outcome = final.status_code
    if outcome == OK and moved == 0:
        outcome = Outcome.DISMISSED
        back = replace(back, decision=DISMISSAL)
    return end(back, outcome, now, total_locked_amount=final.total_locked_amount)
