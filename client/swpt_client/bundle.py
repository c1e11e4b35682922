"""Several transfers that are committed together or not at all: what the state of the legs leads to.

A bundle acts through its legs: `advance` looks at them and says which transfers to begin, to
commit, and to dismiss.  It is called again until it has nothing to say.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from . import pace, repair
from .formulas import certain_amount
from .inputs import BeginBundle
from .moments import SECOND, T_FAR, Moment, later_by
from .policy import Timers
from .records import (
    AccountData,
    AccountKey,
    Bundle,
    BundleState,
    Leg,
    LegStatus,
    Outcome,
    Transfer,
    TransferState,
)
from .verdicts import (
    ENDED,
    RUNNING,
    WITHOUT_LOCK,
    Advance,
    Attempt,
    Verdict,
    decision_of,
    dismiss_all,
    finish,
    leg_key,
)

Accounts: TypeAlias = Mapping[AccountKey, AccountData]
"""What is known of accounts of ours; for the notes and the rates."""


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


def transfers_of(bundle: Bundle) -> set[str]:
    """The transfers that stand for the legs now."""
    return {status.transfer_key for status in bundle.status}


def accounts_of(bundle: Bundle) -> set[AccountKey]:
    """The accounts that matter for the decision: the senders', and those of ours that receive."""
    return accounts_of_legs(bundle.legs)


def accounts_of_legs(legs: Sequence[Leg]) -> set[AccountKey]:
    """The same, before there is a bundle."""
    senders = {AccountKey(leg.request.debtor_id, leg.request.creditor_id) for leg in legs}
    return senders | {
        AccountKey(leg.request.debtor_id, leg.payback_creditor_id)
        for leg in legs
        if leg.payback_creditor_id is not None
    }


def advance(
    bundle: Bundle, legs: Sequence[Transfer], accounts: Accounts, timers: Timers, now: Moment
) -> Advance:
    """Take the next step, if the legs or the time allow one; `legs` are those of the status."""
    if bundle.state is BundleState.PREPARING:
        return _preparing(bundle, legs, accounts, timers, now)
    if bundle.state is BundleState.DISMISSING:
        return _dismissing(bundle, legs, now)
    if bundle.state is BundleState.COMMITTING:
        return repair.committing(bundle, legs, timers, now)
    if bundle.state is BundleState.REPAIRING:
        return repair.repairing(bundle, legs, timers, now)
    if bundle.state is BundleState.REVERSING:
        return repair.reversing(bundle, legs, timers, now)
    return Advance(bundle)


# --- before the decision ------------------------------------------------------------------------


def _preparing(
    bundle: Bundle, legs: Sequence[Transfer], accounts: Accounts, timers: Timers, now: Moment
) -> Advance:
    if any(transfer.outcome == Outcome.OK for transfer in legs):
        # Only after a restore: a former life of this client has decided to commit.
        return _commit_all(bundle, legs)
    lost = next((transfer for transfer in legs if transfer.state in WITHOUT_LOCK), None)
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
    return _commit_all(bundle, legs)


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


def _commit_all(bundle: Bundle, legs: Sequence[Transfer]) -> Advance:
    acts = tuple(
        Verdict(transfer.key, decision_of(leg))
        for leg, transfer in zip(bundle.legs, legs, strict=True)
        if transfer.state in RUNNING
    )
    return Advance(replace(bundle, state=BundleState.COMMITTING), acts)


def _dismissing(bundle: Bundle, legs: Sequence[Transfer], now: Moment) -> Advance:
    if all(transfer.state in ENDED for transfer in legs):
        return finish(bundle, BundleState.DISMISSED, now)
    return Advance(bundle)


def schedule(bundle: Bundle, timers: Timers, now: Moment) -> Bundle:
    """Say when the bundle wants to be looked at again."""
    due_at: Moment | None = None
    if bundle.state is BundleState.PREPARING:
        due_at = bundle.decide_by
    elif bundle.state in (BundleState.REPAIRING, BundleState.REVERSING):
        # Afterwards only the legs that are still on their way bring it further.
        if not bundle.is_alarming and not pace.is_past(bundle.repair_by, now):
            due_at = pace.earliest(bundle.repair_by, *(one.retry_at for one in bundle.status))
    elif bundle.finished_at is not None and bundle.state is not BundleState.TORN:
        due_at = later_by(bundle.finished_at, timers.keep_finished)
    return bundle if due_at == bundle.due_at else replace(bundle, due_at=due_at)
