"""One running transfer: calls, and the server's answers."""

from typing import Final

from msgspec.structs import replace

from . import pace
from .differences import decision_difference, request_difference
from .inputs import Begin
from .messages import FinalizedTransfer, PreparedTransfer, RejectedTransfer
from .moments import SECOND, Moment, later_by
from .news import Surprise, TransferPrepared
from .policy import Timers
from .records import DISMISSAL, Decision, Evidence, Outcome, Request, Transfer, TransferState
from .step import Step, not_found, refuse
from .transitions import (
    dismissal,
    end,
    finalize_message,
    gather,
    has_committed,
    has_right_parties,
    is_same,
    outcome_of,
    prepare_message,
    promise_of,
    settle,
    worry,
)

INITIATED: Final = TransferState.INITIATED
PREPARED: Final = TransferState.PREPARED
SETTLED: Final = TransferState.SETTLED
FINISHED: Final = TransferState.FINISHED
CANCELLED: Final = TransferState.CANCELLED
PARKED: Final = TransferState.PARKED
UNEXPECTED: Final = Outcome.UNEXPECTED
UNASKED: Final = "PreparedTransfer, no record"

# --- calls --------------------------------------------------------------------------------------


def initiate(call: Begin, now: Moment, request_id: int, bundle_key: str | None = None) -> Step[Transfer]:
    """A new transfer: the request goes out."""
    transfer = Transfer(
        key=call.key,
        state=INITIATED,
        request=call.request,
        coordinator_request_id=request_id,
        began_at=now,
        bundle_key=bundle_key,
        decision=call.decision,
        wanted=call.decision,
        pace=pace.begin(now),
    )
    return Step(transfer, (prepare_message(transfer, now),))


def begin_again(transfer: Transfer, request: Request, wanted: Decision | None) -> Step[Transfer]:
    """A key that is known stands for the same transfer for ever."""
    fault = request_difference(transfer, request, wanted)
    if fault is None:
        return Step(transfer)
    return Step(transfer, refusal=refuse("KEY_CONFLICT", transfer.key, transfer.state, fault))


def commit(transfer: Transfer | None, key: str, decision: Decision, now: Moment) -> Step[Transfer]:
    """Commit now, or as soon as it is prepared."""
    if transfer is None:
        return Step(refusal=not_found(key, "transfer"))
    if transfer.state is PARKED:
        return Step(transfer, refusal=refuse("PARKED", key, PARKED))
    if transfer.state is PREPARED:
        return settle(transfer, decision, now)
    if transfer.state is not CANCELLED and transfer.decision == decision:
        return Step(transfer)
    if transfer.state is INITIATED and transfer.decision is None:
        return Step(replace(transfer, decision=decision))
    return _refuse_other(transfer, decision)


def _refuse_other(transfer: Transfer, wanted: Decision) -> Step[Transfer]:
    """Another decision has left, or is remembered; or nothing moves any more."""
    known = transfer.decision
    fault = ("key", "stands for a transfer that has ended")
    if transfer.state is CANCELLED or known == DISMISSAL:
        fault = ("key", "stands for a transfer that was dismissed")
    elif known is not None and wanted == DISMISSAL:
        fault = ("key", f"stands for a transfer of which {known.committed_amount} were committed")
    elif known is not None:
        fault = decision_difference(known, wanted) or fault
    return Step(transfer, refusal=refuse("ALREADY_DECIDED", transfer.key, transfer.state, fault))


def dismiss(transfer: Transfer | None, key: str, now: Moment, reason: str = "") -> Step[Transfer]:
    """Let nothing move; a remembered commit has not left yet."""
    if transfer is None:
        return Step(refusal=not_found(key, "transfer"))
    if transfer.state is PARKED:
        return Step(transfer, refusal=refuse("PARKED", key, PARKED))
    if transfer.state is INITIATED:
        return end(replace(transfer, decision=None), Outcome.CANCELLED, now, reason=reason)
    if transfer.state is PREPARED:
        return settle(transfer, DISMISSAL, now, reason)
    if transfer.state is CANCELLED or not has_committed(transfer):
        return Step(transfer)
    return _refuse_other(transfer, DISMISSAL)


# --- answers of the server ----------------------------------------------------------------------


def rejected(transfer: Transfer | None, message: RejectedTransfer, now: Moment) -> Step[Transfer]:
    """RejectedTransfer: an end, while nothing was prepared; else a late answer to a repeated request."""
    if transfer is None:
        return Step(ignored="RejectedTransfer, no record")
    if transfer.state is PARKED:
        return gather(transfer, Evidence(arrived_at=now, message=message))
    if transfer.state is INITIATED:
        return end(transfer, message.status_code, now, total_locked_amount=message.total_locked_amount)
    return Step(transfer, ignored="RejectedTransfer, late")


def prepared(transfer: Transfer | None, message: PreparedTransfer, now: Moment) -> Step[Transfer]:
    """PreparedTransfer: judged by its ids first; parties and terms only if there are none yet."""
    if transfer is None:
        return Step(None, (dismissal(message, now),), ignored=UNASKED)
    if transfer.state is PARKED:
        return gather(transfer, Evidence(arrived_at=now, message=message))
    if is_same(transfer, message) and transfer.state is not CANCELLED:
        return _prepared_again(transfer, message, now)
    if transfer.state is not INITIATED:
        return Step(transfer, (dismissal(message, now),))
    if not has_right_parties(transfer.request, message):
        surprise = Surprise(kind="PARTIES", key=transfer.key, message=message)
        return Step(transfer, (dismissal(message, now),), (surprise,))
    known = replace(transfer, prepared=promise_of(message))
    if not _has_right_terms(transfer.request, message, now):
        return settle(known, DISMISSAL, now, "TERMS")
    if transfer.decision is not None:
        return settle(known, transfer.decision, now)
    waiting = replace(known, state=PREPARED, pace=pace.quiet(now, known.pace), due_at=None)
    return Step(waiting, news=() if waiting.bundle_key is not None else (TransferPrepared(transfer=waiting),))


def _prepared_again(transfer: Transfer, message: PreparedTransfer, now: Moment) -> Step[Transfer]:
    """A reminder, or a copy."""
    assert transfer.prepared is not None
    news: tuple[Surprise, ...] = ()
    if message.recipient != transfer.request.recipient or (
        message.locked_amount != transfer.prepared.locked_amount
    ):
        news = (Surprise(kind="CHANGED", key=transfer.key, message=message),)
    if transfer.state is PREPARED:
        return Step(transfer, news=news)
    if transfer.state is FINISHED:
        return Step(transfer, (finalize_message(transfer, now, is_repeated_for_them=True),), news)
    if transfer.pace.is_waiting:
        return Step(transfer, news=news, ignored="PreparedTransfer, the decision is on its way")
    again = replace(transfer, pace=pace.repeat(transfer.pace))
    return Step(again, (finalize_message(again, now),), news)


def _has_right_terms(request: Request, message: PreparedTransfer, now: Moment) -> bool:
    return (
        request.min_locked_amount <= message.locked_amount <= request.max_locked_amount
        and message.deadline >= later_by(now, request.terms.min_commit_period * SECOND)
        and message.demurrage_rate >= request.terms.min_demurrage_rate
        and message.final_interest_rate_ts == request.terms.final_interest_rate_ts
    )


def finalized(transfer: Transfer | None, message: FinalizedTransfer, now: Moment) -> Step[Transfer]:
    """FinalizedTransfer: the outcome of the decision that has left."""
    if transfer is None:
        return Step(ignored="FinalizedTransfer, no record")
    if transfer.state is PARKED:
        return gather(transfer, Evidence(arrived_at=now, message=message))
    if transfer.state is FINISHED or transfer.state is CANCELLED:
        return Step(transfer, ignored="FinalizedTransfer, late")
    is_ours = is_same(transfer, message)
    if transfer.state is PREPARED and is_ours:
        return _decided_by_others(transfer, message, now)
    if not is_ours:
        if message.committed_amount > 0:
            return _decided_by_others(transfer, message, now)
        counted = replace(transfer, surplus_count=transfer.surplus_count + 1)
        return Step(counted, ignored="FinalizedTransfer, of a surplus")
    assert transfer.decision is not None
    outcome = outcome_of(transfer.decision, message)
    step = end(transfer, outcome, now, total_locked_amount=message.total_locked_amount)
    if outcome == UNEXPECTED:
        return replace(step, news=(*step.news, Surprise(kind="OUTCOME", key=transfer.key, message=message)))
    return step


def _decided_by_others(transfer: Transfer, message: FinalizedTransfer, now: Moment) -> Step[Transfer]:
    """An answer to a decision that we do not remember: only an earlier life of this client can have made it.

    What would still pay is parked; of a decision that has left nothing can be taken back.
    """
    surprise = Surprise(kind="RESTORED", key=transfer.key, message=message)
    if transfer.state is SETTLED:
        return Step(transfer, news=(surprise,))
    parked = park(transfer, now).record
    assert parked is not None
    return Step(gather(parked, Evidence(arrived_at=now, message=message)).record, news=(surprise,))


# --- time ---------------------------------------------------------------------------------------


def due(transfer: Transfer, timers: Timers, now: Moment) -> Step[Transfer]:
    """What time does to a transfer; the last row asks for its deletion."""
    if transfer.state is INITIATED:
        return _due_initiated(transfer, timers, now)
    if transfer.state is PREPARED and pace.is_past(decide_by(transfer), now):
        return settle(transfer, DISMISSAL, now, "DECIDE_BY")
    if transfer.state is SETTLED:
        return _due_settled(transfer, timers, now)
    if transfer.state in (FINISHED, CANCELLED) and pace.is_past(_forget_at(transfer, timers), now):
        return Step(None)
    return Step(transfer)


def _due_initiated(transfer: Transfer, timers: Timers, now: Moment) -> Step[Transfer]:
    if pace.is_past(_give_up_at(transfer), now):
        return end(replace(transfer, decision=None), Outcome.CANCELLED, now, reason="GIVE_UP")
    transfer, news = worry(transfer, timers.worry_after, now)
    if not pace.is_past(pace.repeat_at(transfer.pace, timers.prepare_pauses), now):
        return Step(transfer, news=news)
    again = replace(transfer, pace=pace.repeat(transfer.pace))
    return Step(again, (prepare_message(again, now),), news)


def _due_settled(transfer: Transfer, timers: Timers, now: Moment) -> Step[Transfer]:
    if pace.is_past(_unknown_at(transfer, timers), now):
        return end(transfer, Outcome.UNKNOWN if has_committed(transfer) else Outcome.DISMISSED, now)
    transfer, news = worry(transfer, timers.worry_after, now)
    if not pace.is_past(pace.repeat_at(transfer.pace, timers.finalize_pauses), now):
        return Step(transfer, news=news)
    again = replace(transfer, pace=pace.repeat(transfer.pace))
    return Step(again, (finalize_message(again, now),), news)


def decide_by(transfer: Transfer) -> Moment | None:
    """When a prepared transfer is dismissed, because nobody has decided: at the deadline, or before."""
    within = transfer.request.terms.decide_within
    wanted = None if within is None else later_by(transfer.began_at, within * SECOND)
    return pace.earliest(wanted, None if transfer.prepared is None else transfer.prepared.deadline)


def _give_up_at(transfer: Transfer) -> Moment | None:
    after = transfer.request.terms.give_up_after
    return None if after is None else later_by(transfer.began_at, after * SECOND)


def _unknown_at(transfer: Transfer, timers: Timers) -> Moment | None:
    first = transfer.pace.first_confirmed_at
    return None if first is None else later_by(first, timers.outcome_unknown_after)


def _forget_at(transfer: Transfer, timers: Timers) -> Moment | None:
    if transfer.finished_at is None:
        return None
    keep = timers.keep_finished if transfer.state is FINISHED else timers.keep_cancelled
    return later_by(transfer.finished_at, keep)


def schedule(transfer: Transfer, timers: Timers, stretch: float) -> Transfer:
    """Say when the transfer wants to be looked at again; pauses are stretched at random."""
    state = transfer.state
    due_at: Moment | None = None
    if state is INITIATED:
        due_at = pace.speak_at(transfer.pace, timers.prepare_pauses, timers.worry_after, stretch)
        if transfer.request.terms.give_up_after is not None:
            due_at = pace.earliest(due_at, _give_up_at(transfer))
    elif state is PREPARED:
        due_at = decide_by(transfer)
    elif state is SETTLED:
        due_at = pace.speak_at(transfer.pace, timers.finalize_pauses, timers.worry_after, stretch)
        if transfer.pace.first_confirmed_at is not None:
            due_at = pace.earliest(due_at, _unknown_at(transfer, timers))
    elif state is not PARKED:
        due_at = _forget_at(transfer, timers)
    return transfer if due_at == transfer.due_at else replace(transfer, due_at=due_at)


def park(transfer: Transfer, now: Moment) -> Step[Transfer]:
    """Send nothing any more; what has ended stays as it is."""
    if transfer.state in (FINISHED, CANCELLED, PARKED):
        return Step(transfer)
    quiet = pace.quiet(now, transfer.pace)
    return Step(replace(transfer, state=PARKED, parked_state=transfer.state, pace=quiet))
