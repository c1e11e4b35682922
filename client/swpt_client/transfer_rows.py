"""What each input does to the records of transfers and bundles."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from . import bundle, ledger, pace, parking, transfer, verdicts
from .bundle import Accounts
from .checks import begin_fault, bundle_fault, commit_fault
from .desk import Desk
from .differences import bundle_difference
from .inputs import Abandon, Begin, BeginBundle, Commit, Dismiss, DismissBundle, Park, Refusal, Resume
from .messages import FinalizedTransfer, PreparedTransfer, RejectedTransfer
from .moments import Moment
from .records import (
    AccountKey,
    Bundle,
    BundleState,
    Outcome,
    Request,
    Transfer,
    TransferState,
)
from .step import Step, not_found, refuse
from .verdicts import LAST_STATES, Advance, Attempt

_BEHIND: Final = "has a ledger that misses transfers of which the server has told"
_DECIDED: Final = ("key", "stands for a bundle that is decided")


def _take(desk: Desk, before: Transfer | None, step: Step[Transfer]) -> Refusal | None:
    """Gather what a row has done."""
    if step.record is not None and step.record is not before:
        desk.put_transfer(step.record)
    if step.outgoing:
        desk.result.outgoing += step.outgoing
    if step.news:
        desk.result.news += step.news
    if step.ignored:
        desk.ignore(step.ignored)
    return step.refusal


# --- calls --------------------------------------------------------------------------------------


def begin(desk: Desk, call: Begin) -> Refusal | None:
    """Begin a transfer; a known key stands for the same transfer for ever."""
    fault = begin_fault(call, desk.policy)
    if fault is not None:
        return refuse("BAD_FIELD", call.key, fault=fault)
    known = desk.transfer(call.key)
    if known is not None:
        return _take(desk, known, transfer.begin_again(known, call.request, call.decision))
    if _is_behind(desk, call.request):
        return refuse("LEDGER_IS_BEHIND", call.key, fault=("creditor_id", _BEHIND))
    return _take(desk, None, transfer.initiate(call, desk.now, desk.next_request_id()))


def _is_behind(desk: Desk, request: Request) -> bool:
    """Whether the sender's ledger misses transfers: perhaps some that this client has forgotten."""
    account = desk.account(AccountKey(request.debtor_id, request.creditor_id))
    if account is None:
        return False
    assembly = desk.assemblies.get(account.key)
    now_so = account.ledger if assembly is None else ledger.closed(assembly)
    return ledger.is_behind(now_so, desk.timers.distrust, desk.now)


def commit(desk: Desk, call: Commit) -> Refusal | None:
    """Commit a transfer that is not a leg of a bundle."""
    fault = commit_fault(call)
    if fault is not None:
        return refuse("BAD_FIELD", call.key, fault=fault)
    known = desk.transfer(call.key)
    if known is not None and known.bundle_key is not None:
        fault = ("key", f"stands for a leg of the bundle {known.bundle_key!r}")
        return refuse("IN_BUNDLE", call.key, known.state, fault)
    return _take(desk, known, transfer.commit(known, call.key, call.decision, desk.now))


def dismiss(desk: Desk, call: Dismiss) -> Refusal | None:
    """Dismiss a transfer that is not a leg of a bundle."""
    known = desk.transfer(call.key)
    if known is not None and known.bundle_key is not None:
        fault = ("key", f"stands for a leg of the bundle {known.bundle_key!r}")
        return refuse("IN_BUNDLE", call.key, known.state, fault)
    return _take(desk, known, transfer.dismiss(known, call.key, desk.now))


def begin_bundle(desk: Desk, call: BeginBundle) -> Refusal | None:
    """Begin a bundle; a known key stands for the same bundle for ever."""
    fault = bundle_fault(call, desk.policy)
    if fault is not None:
        return refuse("BAD_FIELD", call.key, fault=fault)
    known = desk.bundle(call.key)
    if known is not None:
        fault = bundle_difference(known, call)
        return None if fault is None else refuse("KEY_CONFLICT", call.key, known.state, fault)
    for number, leg in enumerate(call.legs):
        if _is_behind(desk, leg.request):
            fault = (f"legs[{number}].request.creditor_id", _BEHIND)
            return refuse("LEDGER_IS_BEHIND", call.key, fault=fault)
    _act(desk, bundle.begin(call, desk.now))
    return None


def dismiss_bundle(desk: Desk, call: DismissBundle) -> Refusal | None:
    """Dismiss a bundle that is not decided yet."""
    known = desk.bundle(call.key)
    if known is None:
        return not_found(call.key, "bundle")
    if known.state is BundleState.PARKED:
        return refuse("PARKED", call.key, known.state)
    if known.state in (BundleState.DISMISSING, BundleState.DISMISSED):
        return None
    if known.state is not BundleState.PREPARING:
        return refuse("ALREADY_DECIDED", call.key, known.state, _DECIDED)
    _dismiss(desk, known, _legs(desk, known), "CALL")
    return None


def _dismiss(desk: Desk, one: Bundle, legs: Sequence[Transfer], reason: str) -> None:
    """Let nothing move any more; where all legs have ended already, nobody else would end the bundle."""
    _act(desk, verdicts.dismiss_all(one, legs, reason))
    desk.touched_bundles[one.key] = None


# --- messages -----------------------------------------------------------------------------------


def prepared(desk: Desk, message: PreparedTransfer) -> None:
    """PreparedTransfer, to a coordinator of ours."""
    known = desk.requested(message)
    _take(desk, known, transfer.prepared(known, message, desk.now))


def finalized(desk: Desk, message: FinalizedTransfer) -> None:
    """FinalizedTransfer, to a coordinator of ours."""
    known = desk.requested(message)
    _take(desk, known, transfer.finalized(known, message, desk.now))


def rejected(desk: Desk, message: RejectedTransfer) -> None:
    """RejectedTransfer, to a coordinator of ours."""
    known = desk.requested(message)
    _take(desk, known, transfer.rejected(known, message, desk.now))


# --- persons ------------------------------------------------------------------------------------


def park(desk: Desk, call: Park) -> Refusal | None:
    """Send nothing any more for a transfer or a bundle."""
    if call.kind == "transfer":
        known = desk.transfer(call.key)
        return None if known is None else _take(desk, known, transfer.park(known, desk.now))
    one = desk.bundle(call.key)
    if one is not None and one.state not in LAST_STATES and one.state is not BundleState.PARKED:
        desk.bundles[call.key] = replace(one, state=BundleState.PARKED, parked_state=one.state)
    return None


def resume(desk: Desk, call: Resume) -> Refusal | None:
    """Go on."""
    if call.kind == "transfer":
        known = desk.transfer(call.key)
        return _take(desk, known, parking.resume(known, call.key, desk.now))
    one = desk.bundle(call.key)
    if one is None:
        return not_found(call.key, "bundle")
    if one.parked_state is None:
        return refuse("NOT_PARKED", call.key, one.state)
    if _has_parked_legs(desk, one):
        return refuse("UNSETTLED", call.key, one.state)
    desk.bundles[call.key] = replace(one, state=one.parked_state, parked_state=None)
    desk.touched_bundles[call.key] = None
    return None


def abandon(desk: Desk, call: Abandon) -> Refusal | None:
    """Let nothing move any more."""
    if call.kind == "transfer":
        known = desk.transfer(call.key)
        return _take(desk, known, parking.abandon(known, call.key, desk.now))
    one = desk.bundle(call.key)
    if one is None:
        return not_found(call.key, "bundle")
    if one.state in LAST_STATES or (one.parked_state is None and not one.is_alarming):
        return refuse("NOT_PARKED", call.key, one.state)
    if _has_parked_legs(desk, one):
        return refuse("UNSETTLED", call.key, one.state)
    legs = _legs(desk, one)
    one = replace(one, parked_state=None)
    if any(status.is_paid for status in one.status) or any(leg.outcome == Outcome.OK for leg in legs):
        _act(desk, verdicts.tear(one, "ABANDONED", desk.now))
    else:
        _dismiss(desk, one, legs, "ABANDONED")
    return None


def _has_parked_legs(desk: Desk, one: Bundle) -> bool:
    return any(leg.state is TransferState.PARKED for leg in _legs(desk, one))


# --- time ---------------------------------------------------------------------------------------


def sent(desk: Desk, key: str, copy: int, at: Moment) -> None:
    """The broker has a message of a transfer."""
    known = desk.transfer(key)
    if known is not None:
        confirmed = pace.confirm(known.pace, copy, min(at, desk.now))
        if confirmed is not known.pace:
            desk.put_transfer(replace(known, pace=confirmed))


def due(desk: Desk, key: str) -> None:
    """What time does to a transfer."""
    known = desk.transfer(key)
    if known is None or not pace.is_past(known.due_at, desk.now):
        return
    step = transfer.due(known, desk.timers, desk.now)
    desk.transfers[key] = step.record
    _take(desk, known, step)


def due_bundle(desk: Desk, key: str) -> None:
    """What time does to a bundle."""
    known = desk.bundle(key)
    if known is None or not pace.is_past(known.due_at, desk.now):
        return
    if known.state in LAST_STATES:
        desk.bundles[key] = None
        desk.transfers |= dict.fromkeys(bundle.transfers_of(known))
    else:
        desk.bundles[key] = known
        desk.touched_bundles[key] = None


# --- bundles ------------------------------------------------------------------------------------


def advance_bundles(desk: Desk) -> None:
    """Let each bundle whose legs have changed go on, until it has nothing to do."""
    while desk.touched_bundles:
        key, _ = desk.touched_bundles.popitem()
        known = desk.bundle(key)
        if known is None:
            continue
        step = bundle.advance(known, _legs(desk, known), _data(desk, known), desk.timers, desk.now)
        if step.bundle != known or step.acts:
            _act(desk, step)
            desk.touched_bundles[key] = None
            # A transfer that does not stand for its leg any more is kept no longer than others.
            for name in bundle.transfers_of(known) - bundle.transfers_of(step.bundle):
                desk.touch_transfer(name)


def _legs(desk: Desk, one: Bundle) -> list[Transfer]:
    legs = [desk.transfer(status.transfer_key) for status in one.status]
    known = [leg for leg in legs if leg is not None]
    assert len(known) == len(legs), "the legs of a bundle are read with it, and kept as long"
    return known


def _data(desk: Desk, one: Bundle) -> Accounts:
    accounts = {key: desk.account(key) for key in bundle.accounts_of(one)}
    return {
        key: account.data
        for key, account in accounts.items()
        if account is not None and account.data is not None
    }


def _act(desk: Desk, step: Advance) -> None:
    """Do what a bundle has decided about its legs."""
    desk.bundles[step.bundle.key] = step.bundle
    desk.result.news += step.news
    for act in step.acts:
        if isinstance(act, Attempt):
            call = Begin(key=act.key, request=act.request, decision=act.decision)
            begun = transfer.initiate(call, desk.now, desk.next_request_id(), step.bundle.key)
            refusal = _take(desk, None, begun)
        else:
            leg = desk.transfer(act.key)
            if act.decision is None:
                refusal = _take(desk, leg, transfer.dismiss(leg, act.key, desk.now, "BUNDLE"))
            else:
                refusal = _take(desk, leg, transfer.commit(leg, act.key, act.decision, desk.now))
        assert refusal is None, f"a leg refuses its bundle: {refusal}"
