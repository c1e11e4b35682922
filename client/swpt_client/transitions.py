"""What several rows of the table of running transfers do."""

from typing import Final

from msgspec.structs import replace

from . import pace
from .inputs import Ref
from .limits import MAX_DELAY, OK
from .messages import FinalizedTransfer, FinalizeTransfer, PreparedTransfer, PrepareTransfer
from .moments import SECOND, Moment
from .news import Silent, TransferFinished
from .records import DISMISSAL, Decision, Evidence, Outcome, Prepared, Request, Transfer, TransferState
from .step import Outgoing, Step

MAX_EVIDENCE = 20
# Members of enumerations take longer to be found than a whole comparison.
_SETTLED: Final = TransferState.SETTLED
_FINISHED: Final = TransferState.FINISHED
_CANCELLED: Final = TransferState.CANCELLED
_WAS_CANCELLED: Final = Outcome.CANCELLED
_OK: Final = Outcome.OK


# --- messages -----------------------------------------------------------------------------------


def prepare_message(transfer: Transfer, now: Moment) -> Outgoing:
    """The request, the same every time; only `ts` is new, and the deadline does not move with it."""
    request = transfer.request
    delay = request.terms.max_commit_delay
    if delay != MAX_DELAY:
        delay = max(0, delay - max(0, now - transfer.began_at) // SECOND)
    message = PrepareTransfer(
        debtor_id=request.debtor_id,
        creditor_id=request.creditor_id,
        coordinator_type=request.coordinator_type,
        coordinator_id=request.coordinator_id,
        coordinator_request_id=transfer.coordinator_request_id,
        min_locked_amount=request.min_locked_amount,
        max_locked_amount=request.max_locked_amount,
        recipient=request.recipient,
        final_interest_rate_ts=request.terms.final_interest_rate_ts,
        max_commit_delay=delay,
        ts=now,
    )
    return Outgoing(message, Ref("transfer", transfer.key, transfer.pace.copies))


def finalize_message(transfer: Transfer, now: Moment, *, is_repeated_for_them: bool = False) -> Outgoing:
    """The decision, the same every time; only `ts` is new."""
    request, prepared, decision = transfer.request, transfer.prepared, transfer.decision
    assert prepared is not None
    assert decision is not None
    message = FinalizeTransfer(
        debtor_id=request.debtor_id,
        creditor_id=request.creditor_id,
        transfer_id=prepared.transfer_id,
        coordinator_type=request.coordinator_type,
        coordinator_id=request.coordinator_id,
        coordinator_request_id=transfer.coordinator_request_id,
        committed_amount=decision.committed_amount,
        transfer_note=decision.transfer_note,
        transfer_note_format=decision.transfer_note_format,
        ts=now,
    )
    return Outgoing(
        message, None if is_repeated_for_them else Ref("transfer", transfer.key, transfer.pace.copies)
    )


def dismissal(message: PreparedTransfer, now: Moment) -> Outgoing:
    """Nobody wants what was prepared."""
    return Outgoing(
        FinalizeTransfer(
            debtor_id=message.debtor_id,
            creditor_id=message.creditor_id,
            transfer_id=message.transfer_id,
            coordinator_type=message.coordinator_type,
            coordinator_id=message.coordinator_id,
            coordinator_request_id=message.coordinator_request_id,
            committed_amount=0,
            transfer_note="",
            transfer_note_format="",
            ts=now,
        )
    )


# --- rows -----------------------------------------------------------------------------------------


def settle(transfer: Transfer, decision: Decision, now: Moment, reason: str = "") -> Step[Transfer]:
    """A decision leaves; from now on there is no other for this prepared transfer."""
    settled = replace(
        transfer,
        state=_SETTLED,
        decision=decision,
        reason=reason,
        pace=pace.begin(now, transfer.pace),
    )
    return Step(settled, (finalize_message(settled, now),))


def end(
    transfer: Transfer, outcome: str, now: Moment, *, total_locked_amount: int = 0, reason: str = ""
) -> Step[Transfer]:
    """The one outcome, and the news of it; the legs of a bundle have none of their own."""
    ended = replace(
        transfer,
        state=_CANCELLED if outcome == _WAS_CANCELLED else _FINISHED,
        outcome=str(outcome),
        total_locked_amount=total_locked_amount,
        reason=reason or transfer.reason,
        finished_at=now,
        pace=pace.quiet(now, transfer.pace),
        due_at=None,
    )
    news = () if ended.bundle_key is not None else (TransferFinished(transfer=ended),)
    return Step(ended, news=news)


def gather(transfer: Transfer, message: Evidence) -> Step[Transfer]:
    """A message for a person to look at; the latest ones are kept."""
    return Step(replace(transfer, evidence=(*transfer.evidence, message)[-MAX_EVIDENCE:]))


def is_same(transfer: Transfer, message: PreparedTransfer | FinalizedTransfer) -> bool:
    """Whether a message is about the prepared transfer that the record knows."""
    return (
        transfer.prepared is not None
        and transfer.prepared.transfer_id == message.transfer_id
        and transfer.request.creditor_id == message.creditor_id
        and transfer.request.debtor_id == message.debtor_id
    )


def has_committed(transfer: Transfer) -> bool:
    """Whether a decision to commit has left."""
    return transfer.prepared is not None and transfer.decision is not None and transfer.decision != DISMISSAL


def promise_of(message: PreparedTransfer) -> Prepared:
    """What the server promises."""
    return Prepared(
        transfer_id=message.transfer_id,
        locked_amount=message.locked_amount,
        prepared_at=message.prepared_at,
        demurrage_rate=message.demurrage_rate,
        deadline=message.deadline,
    )


def has_right_parties(request: Request, message: PreparedTransfer) -> bool:
    """Whether it was prepared between those who were asked for."""
    return (
        message.creditor_id == request.creditor_id
        and message.recipient == request.recipient
        and message.debtor_id == request.debtor_id
    )


def outcome_of(decision: Decision, message: FinalizedTransfer) -> str:
    """What an answer means for the decision that was sent."""
    wanted, moved = decision.committed_amount, message.committed_amount
    if message.status_code == OK and moved == wanted:
        return _OK if wanted > 0 else Outcome.DISMISSED
    if message.status_code not in (OK, "") and moved == 0 and wanted > 0:
        return message.status_code
    return Outcome.UNEXPECTED


def worry(transfer: Transfer, patience: int, now: Moment) -> tuple[Transfer, tuple[Silent, ...]]:
    """Tell once that an answer is missing for long."""
    if not pace.is_past(pace.worry_at(transfer.pace, patience), now):
        return transfer, ()
    told = replace(transfer, pace=replace(transfer.pace, has_worried=True))
    return told, (Silent(subject="transfer", key=transfer.key, since=transfer.pace.began_at),)
