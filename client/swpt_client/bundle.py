"""Several transfers that are committed together or not at all: what the state of the legs leads to.

A bundle acts through its legs: `advance` looks at them and says which transfers to begin, to
commit, and to dismiss.  It is called again until it has nothing to say.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from . import pace
from .checks import LEG_PREFIX
from .formulas import certain_amount
from .inputs import BeginBundle
from .limits import (
    DIRECT,
    INSUFFICIENT_AVAILABLE_AMOUNT,
    NEWER_INTEREST_RATE,
    RECIPIENT_IS_UNREACHABLE,
    TIMEOUT,
)
from .moments import SECOND, T_FAR, Moment, later_by
from .news import BundleFinished, News, Surprise
from .policy import Timers
from .records import (
    AccountData,
    AccountKey,
    Bundle,
    BundleState,
    Decision,
    Leg,
    LegStatus,
    Outcome,
    Request,
    Transfer,
    TransferState,
)

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
_UNCLEAR: Final = frozenset({str(Outcome.UNKNOWN), str(Outcome.UNEXPECTED)})
_WITHOUT_LOCK: Final = frozenset({TransferState.FINISHED, TransferState.CANCELLED, TransferState.SETTLED})
_ENDED: Final = frozenset({TransferState.FINISHED, TransferState.CANCELLED})
_RUNNING: Final = frozenset({TransferState.INITIATED, TransferState.PREPARED})
LAST_STATES: Final = frozenset(
    {BundleState.DISMISSED, BundleState.DONE, BundleState.FAILED, BundleState.REVERSED, BundleState.TORN}
)

Accounts: TypeAlias = Mapping[AccountKey, AccountData]
"""What is known of accounts of ours; for the notes and the rates."""


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


def begin(call: BeginBundle, now: Moment) -> Advance:
    """A new bundle: all legs ask for their locks."""
    keys = [leg_key(call.key, number, 1) for number in range(len(call.legs))]
    bundle = Bundle(
        key=call.key,
        state=BundleState.PREPARING,
        legs=call.legs,
        status=tuple(LegStatus(transfer_key=key) for key in keys),
        began_at=now,
        decide_by=later_by(now, call.decide_within * SECOND),
        repair_for=call.repair_for,
    )
    return Advance(bundle, tuple(Attempt(key, leg.request) for key, leg in zip(keys, call.legs, strict=True)))


def is_same_call(bundle: Bundle, call: BeginBundle) -> bool:
    """Whether a call with a known key asks for the same."""
    return (
        bundle.legs == call.legs
        and bundle.repair_for == call.repair_for
        and bundle.decide_by - bundle.began_at == call.decide_within * SECOND
    )


def decision_of(leg: Leg) -> Decision:
    """What is committed for a leg."""
    return Decision(
        committed_amount=leg.committed_amount,
        transfer_note=leg.transfer_note,
        transfer_note_format=leg.transfer_note_format,
    )


def advance(
    bundle: Bundle, legs: Sequence[Transfer], accounts: Accounts, timers: Timers, now: Moment
) -> Advance:
    """Take the next step, if the legs or the time allow one."""
    rule = _RULES.get(bundle.state)
    return Advance(bundle) if rule is None else rule(bundle, legs, accounts, timers, now)


# --- before the decision ------------------------------------------------------------------------


def _preparing(
    bundle: Bundle, legs: Sequence[Transfer], accounts: Accounts, timers: Timers, now: Moment
) -> Advance:
    if any(transfer.outcome == Outcome.OK for transfer in legs):
        # Only after a restore: a former life of this client has decided to commit.
        return _commit_all(bundle, legs, now)
    lost = next((transfer for transfer in legs if transfer.state in _WITHOUT_LOCK), None)
    if lost is not None:
        return dismiss_all(bundle, legs, lost.outcome or lost.reason or str(Outcome.DISMISSED))
    if bundle.decide_by <= now:
        return dismiss_all(bundle, legs, "DECIDE_BY")
    if any(transfer.state is not TransferState.PREPARED for transfer in legs):
        return Advance(bundle)
    for leg, transfer in zip(bundle.legs, legs, strict=True):
        flaw = find_flaw(leg, transfer, accounts, timers, now)
        if flaw:
            return dismiss_all(bundle, legs, flaw)
    return _commit_all(bundle, legs, now)


def find_flaw(leg: Leg, transfer: Transfer, accounts: Accounts, timers: Timers, now: Moment) -> str:
    """Why a prepared leg might not be committed with certainty; empty if it will."""
    prepared = transfer.prepared
    assert prepared is not None
    last = later_by(now, timers.commit_margin)
    if prepared.deadline < last:
        return "DEADLINE"
    certain = certain_amount(
        prepared.locked_amount, prepared.demurrage_rate, (last - prepared.prepared_at) / SECOND
    )
    if certain < leg.committed_amount and not (
        prepared.locked_amount >= leg.committed_amount and _can_not_shrink(leg, accounts)
    ):
        return "AMOUNT"
    if len(leg.transfer_note.encode()) > _note_max_bytes(leg, accounts):
        return "NOTE"
    return ""


def _can_not_shrink(leg: Leg, accounts: Accounts) -> bool:
    """Whether the sender's rate is not negative, and pinned: a later one would end the transfer."""
    data = accounts.get(AccountKey(leg.request.debtor_id, leg.request.creditor_id))
    pinned_to = leg.request.terms.final_interest_rate_ts
    return (
        data is not None
        and data.interest_rate >= 0.0
        and data.last_interest_rate_change_ts <= pinned_to < T_FAR
    )


def _note_max_bytes(leg: Leg, accounts: Accounts) -> int:
    """The limit is the same for all accounts of a currency; 0 if no account of ours tells it."""
    known = [
        data.transfer_note_max_bytes for key, data in accounts.items() if key[0] == leg.request.debtor_id
    ]
    return max(known, default=0)


def _commit_all(bundle: Bundle, legs: Sequence[Transfer], now: Moment) -> Advance:
    acts = tuple(
        Verdict(transfer.key, decision_of(leg))
        for leg, transfer in zip(bundle.legs, legs, strict=True)
        if transfer.state in _RUNNING
    )
    return Advance(replace(bundle, state=BundleState.COMMITTING), acts)


def dismiss_all(bundle: Bundle, legs: Sequence[Transfer], reason: str) -> Advance:
    """Let nothing move."""
    acts = tuple(Verdict(transfer.key, None) for transfer in legs if transfer.state in _RUNNING)
    return Advance(replace(bundle, state=BundleState.DISMISSING, reason=reason), acts)


def _dismissing(
    bundle: Bundle, legs: Sequence[Transfer], _accounts: Accounts, _timers: Timers, now: Moment
) -> Advance:
    if all(transfer.state in _ENDED for transfer in legs):
        return finish(bundle, BundleState.DISMISSED, now)
    return Advance(bundle)


# --- after the decision -------------------------------------------------------------------------


def _committing(
    bundle: Bundle, legs: Sequence[Transfer], _accounts: Accounts, timers: Timers, now: Moment
) -> Advance:
    if any(transfer.state not in _ENDED for transfer in legs):
        return Advance(bundle)
    if any(transfer.outcome in _UNCLEAR for transfer in legs):
        return _alarm(bundle)
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


def _repairing(
    bundle: Bundle, legs: Sequence[Transfer], _accounts: Accounts, timers: Timers, now: Moment
) -> Advance:
    step = _try_on(bundle, legs, timers, now, attempt=_pay_again, done=lambda one: one.is_paid)
    if step.bundle.is_alarming or step.acts or step.bundle != bundle:
        return step
    if all(one.is_paid for one in bundle.status):
        return finish(bundle, BundleState.DONE, now)
    if any(_is_open(one, transfer) for one, transfer in zip(bundle.status, legs, strict=True)):
        return Advance(bundle)
    return _pay_back(bundle, now)


def _is_open(status: LegStatus, transfer: Transfer) -> bool:
    return status.retry_at is not None or transfer.state not in _ENDED


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
        elif transfer.outcome in _UNCLEAR:
            return _alarm(bundle)
        elif transfer.state in _ENDED and not status.failure:
            statuses[number] = _tried(status, transfer, bundle.state, timers, now)
        elif is_late and transfer.state in _RUNNING:
            acts.append(Verdict(transfer.key, None))
    return Advance(replace(bundle, status=tuple(statuses)), tuple(acts))


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
    return Attempt(key, leg.request, decision_of(leg))


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


def _reversing(
    bundle: Bundle, legs: Sequence[Transfer], _accounts: Accounts, timers: Timers, now: Moment
) -> Advance:
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


# --- ends ---------------------------------------------------------------------------------------


def finish(bundle: Bundle, state: BundleState, now: Moment) -> Advance:
    """The one outcome, and the news of it."""
    ended = replace(bundle, state=state, finished_at=now)
    return Advance(ended, news=(BundleFinished(bundle=ended),))


def tear(bundle: Bundle, reason: str, now: Moment) -> Advance:
    """A part has moved, and it is a person's turn."""
    torn = replace(bundle, state=BundleState.TORN, reason=reason, is_alarming=True, finished_at=now)
    return Advance(torn, news=(Surprise(kind="TORN", key=bundle.key), BundleFinished(bundle=torn)))


def _alarm(bundle: Bundle) -> Advance:
    """A leg is unclear: a person has to look, and the other legs stand."""
    if bundle.is_alarming:
        return Advance(bundle)
    return Advance(replace(bundle, is_alarming=True), news=(Surprise(kind="UNKNOWN_LEG", key=bundle.key),))


_RULES: Final = {
    BundleState.PREPARING: _preparing,
    BundleState.DISMISSING: _dismissing,
    BundleState.COMMITTING: _committing,
    BundleState.REPAIRING: _repairing,
    BundleState.REVERSING: _reversing,
}


def schedule(bundle: Bundle, timers: Timers) -> Bundle:
    """Say when the bundle wants to be looked at again."""
    due_at: Moment | None = None
    if bundle.state is BundleState.PREPARING:
        due_at = bundle.decide_by
    elif bundle.state in (BundleState.REPAIRING, BundleState.REVERSING):
        if not bundle.is_alarming:
            due_at = pace.earliest(bundle.repair_by, *(one.retry_at for one in bundle.status))
    elif bundle.finished_at is not None and bundle.state is not BundleState.TORN:
        due_at = later_by(bundle.finished_at, timers.keep_finished)
    return bundle if due_at == bundle.due_at else replace(bundle, due_at=due_at)
