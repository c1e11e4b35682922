"""A bundle after its decision: wait for the outcomes, try again what has failed, or pay back."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from .limits import DIRECT
from .moments import SECOND, T_FAR, Moment, later_by
from .policy import Timers
from .records import Bundle, BundleState, Decision, LegStatus, Outcome, Request, Transfer
from .verdicts import (
    ENDED,
    REPAIRABLE,
    RUNNING,
    UNCLEAR,
    Advance,
    Attempt,
    Verdict,
    alarm,
    decision_of,
    finish,
    leg_key,
    tear,
)


def committing(bundle: Bundle, legs: Sequence[Transfer], timers: Timers, now: Moment) -> Advance:
    """All is decided: wait for the outcomes of all legs."""
    if any(transfer.state not in ENDED for transfer in legs):
        return Advance(bundle)
    if any(transfer.outcome in UNCLEAR for transfer in legs):
        return alarm(bundle)
    status = tuple(_judged(one, transfer) for one, transfer in zip(bundle.status, legs, strict=True))
    judged = replace(bundle, status=status)
    if all(one.is_paid for one in status):
        return finish(judged, BundleState.DONE, now)
    if not any(one.is_paid for one in status):
        return finish(judged, BundleState.FAILED, now)
    repairing = replace(
        judged,
        state=BundleState.REPAIRING,
        repair_by=later_by(now, bundle.repair_for * SECOND),
        status=tuple(one if one.is_paid else _try_later(one, timers, now) for one in status),
    )
    return Advance(repairing)


def _judged(status: LegStatus, transfer: Transfer) -> LegStatus:
    if transfer.outcome == Outcome.OK:
        return replace(status, is_paid=True, failure="")
    return replace(status, failure=transfer.outcome)


def _try_later(status: LegStatus, timers: Timers, now: Moment) -> LegStatus:
    if status.failure not in REPAIRABLE:
        return status
    pauses = timers.repair_pauses
    return replace(status, retry_at=later_by(now, pauses[min(status.attempts, len(pauses)) - 1]))


def repairing(bundle: Bundle, legs: Sequence[Transfer], timers: Timers, now: Moment) -> Advance:
    """Some legs are paid: try the others anew, until they are, or it is too late."""
    step = _try_on(bundle, legs, timers, now, attempt=_pay_again, done=lambda one: one.is_paid)
    if step.bundle.is_alarming or step.acts or step.bundle != bundle:
        return step
    if all(one.is_paid for one in bundle.status):
        return finish(bundle, BundleState.DONE, now)
    if any(_is_open(one, transfer) for one, transfer in zip(bundle.status, legs, strict=True)):
        return Advance(bundle)
    return _pay_back(bundle, now)


def _is_open(status: LegStatus, transfer: Transfer) -> bool:
    return status.retry_at is not None or transfer.state not in ENDED


def _try_on(
    bundle: Bundle,
    legs: Sequence[Transfer],
    timers: Timers,
    now: Moment,
    *,
    attempt: Callable[[Bundle, int], Attempt],
    done: Callable[[LegStatus], bool],
) -> Advance:
    """Look after the legs that are not done: what has ended, what is tried again, what is too late."""
    assert bundle.repair_by is not None
    is_late = bundle.repair_by <= now
    statuses = list(bundle.status)
    acts: list[Attempt | Verdict] = []
    # A leg that cannot be repaired ends the attempts for all.
    is_lost = any(one.failure and one.retry_at is None and not done(one) for one in statuses)
    for number, transfer in enumerate(legs):
        status = statuses[number]
        if done(status):
            continue
        if status.retry_at is not None:
            if is_late or is_lost:
                statuses[number] = replace(status, retry_at=None)
            elif status.retry_at <= now:
                begun = attempt(bundle, number)
                acts.append(begun)
                statuses[number] = replace(
                    status, transfer_key=begun.key, attempts=status.attempts + 1, retry_at=None, failure=""
                )
        elif transfer.outcome in UNCLEAR:
            return alarm(bundle)
        elif transfer.state in ENDED and not status.failure:
            statuses[number] = _tried(status, transfer, bundle.state, timers, now)
        elif (is_late or is_lost) and transfer.state in RUNNING and not _is_first_payback(bundle, status):
            acts.append(Verdict(transfer.key, None))
    return Advance(replace(bundle, status=tuple(statuses)), tuple(acts))


def _is_first_payback(bundle: Bundle, status: LegStatus) -> bool:
    """It is waited for, however short `repair_for` is: without it a person would have to do the same."""
    return bundle.state is BundleState.REVERSING and status.attempts == 1


def _tried(
    status: LegStatus, transfer: Transfer, state: BundleState, timers: Timers, now: Moment
) -> LegStatus:
    if transfer.outcome != Outcome.OK:
        return _try_later(replace(status, failure=transfer.outcome), timers, now)
    if state is BundleState.REPAIRING:
        return replace(status, is_paid=True)
    return replace(status, is_paid_back=True)


def _pay_again(bundle: Bundle, number: int) -> Attempt:
    leg, status = bundle.legs[number], bundle.status[number]
    key = leg_key(bundle.key, number, status.attempts + 1)
    # A rate that has changed meanwhile must not stand in the way for ever.
    terms = replace(leg.request.terms, final_interest_rate_ts=T_FAR)
    return Attempt(key, replace(leg.request, terms=terms), decision_of(leg))


def _pay_back(bundle: Bundle, now: Moment) -> Advance:
    """The repair has failed: pay back what has been paid, where we can."""
    paid = [number for number, one in enumerate(bundle.status) if one.is_paid]
    if any(bundle.legs[number].payback_creditor_id is None for number in paid):
        return tear(bundle, "NO_PAYBACK", now)
    statuses = list(bundle.status)
    acts = []
    for number in paid:
        statuses[number] = replace(statuses[number], attempts=0)
        begun = _pay_back_again(replace(bundle, status=tuple(statuses)), number)
        acts.append(begun)
        statuses[number] = replace(statuses[number], transfer_key=begun.key, attempts=1)
    reversing = replace(
        bundle,
        state=BundleState.REVERSING,
        status=tuple(statuses),
        repair_by=later_by(now, bundle.repair_for * SECOND),
    )
    return Advance(reversing, tuple(acts))


def _pay_back_again(bundle: Bundle, number: int) -> Attempt:
    leg, status = bundle.legs[number], bundle.status[number]
    assert leg.payback_creditor_id is not None
    request = Request(
        debtor_id=leg.request.debtor_id,
        creditor_id=leg.payback_creditor_id,
        recipient=leg.payback_recipient,
        min_locked_amount=0,
        max_locked_amount=0,
        coordinator_type=DIRECT,
        coordinator_id=leg.payback_creditor_id,
    )
    decision = Decision(committed_amount=leg.committed_amount)
    return Attempt(leg_key(bundle.key, number, status.attempts + 1, "back"), request, decision)


def reversing(bundle: Bundle, legs: Sequence[Transfer], timers: Timers, now: Moment) -> Advance:
    """What was paid into accounts of ours is paid back."""

    def done(one: LegStatus) -> bool:
        return not one.is_paid or one.is_paid_back

    step = _try_on(bundle, legs, timers, now, attempt=_pay_back_again, done=done)
    if step.bundle.is_alarming or step.acts or step.bundle != bundle:
        return step
    if all(done(one) for one in bundle.status):
        return finish(bundle, BundleState.REVERSED, now)
    if any(
        not done(one) and _is_open(one, transfer) for one, transfer in zip(bundle.status, legs, strict=True)
    ):
        return Advance(bundle)
    return tear(bundle, "PAYBACK_FAILED", now)
