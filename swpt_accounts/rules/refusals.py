"""Refused requests as values: what operators can look up for some days, to answer an agent why."""

import msgspec

from swpt_accounts.wire import codes, numbers
from swpt_accounts.wire.messages import ConfigureAccount, FinalizeTransfer, PrepareTransfer
from swpt_accounts.wire.moments import Moment

from .accounts import Account, available_at
from .policy import Policy
from .transfers import PreparedTransfer, Rejection


class Refusal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A request to which the answer was no.  The fields as in its table; None is what its kind does not have.

    `kind` is transfer, commit or configuration; `code` is the one of the answer.  The numbers are those
    with which it was decided.  `available_amount` is what could be spent beside everything that was locked;
    `locked_amount` and `deadline` are those of the transfer that was to be committed.
    """

    kind: str
    code: str
    debtor_id: int
    creditor_id: int
    coordinator_type: str | None = None
    coordinator_id: int | None = None
    coordinator_request_id: int | None = None
    transfer_id: int | None = None
    total_locked_amount: int | None = None
    config_ts: Moment | None = None
    config_seqnum: int | None = None
    config_flags: int | None = None
    negligible_amount: float | None = None
    config_data: str | None = None
    recipient: str | None = None
    min_locked_amount: int | None = None
    max_locked_amount: int | None = None
    committed_amount: int | None = None
    locked_amount: int | None = None
    available_amount: int | None = None
    pending_transfers_count: int | None = None
    max_prepared_transfers: int | None = None
    transfer_note_bytes: int | None = None
    transfer_note_max_bytes: int | None = None
    prepared_at: Moment | None = None
    deadline: Moment | None = None
    final_interest_rate_ts: Moment | None = None
    last_interest_rate_change_ts: Moment | None = None


def refused_transfer(
    request: PrepareTransfer,
    rejection: Rejection,
    sender: Account | None,
    min_balance: int,
    policy: Policy,
    now: Moment,
) -> Refusal:
    """A transfer that was not prepared.  None: there is no account of the sender."""
    return Refusal(
        "transfer",
        rejection.status_code,
        request.debtor_id,
        request.creditor_id,
        request.coordinator_type,
        request.coordinator_id,
        request.coordinator_request_id,
        total_locked_amount=rejection.total_locked_amount,
        recipient=request.recipient,
        min_locked_amount=request.min_locked_amount,
        max_locked_amount=request.max_locked_amount,
        available_amount=None if sender is None else _available(sender, min_balance, now),
        pending_transfers_count=None if sender is None else sender.pending_transfers_count,
        max_prepared_transfers=policy.max_prepared_transfers,
        final_interest_rate_ts=request.final_interest_rate_ts,
        last_interest_rate_change_ts=None if sender is None else sender.last_interest_rate_change_ts,
    )


def refused_commit(
    transfer: PreparedTransfer,
    message: FinalizeTransfer,
    status_code: str,
    sender: Account,
    min_balance: int,
    policy: Policy,
    now: Moment,
) -> Refusal:
    """A prepared transfer that was to be committed, and moved nothing.  The sender is seen after that."""
    return Refusal(
        "commit",
        status_code,
        transfer.debtor_id,
        transfer.creditor_id,
        transfer.coordinator_type,
        transfer.coordinator_id,
        transfer.coordinator_request_id,
        transfer.transfer_id,
        sender.total_locked_amount,
        recipient=str(numbers.u64(transfer.recipient_creditor_id)),
        committed_amount=message.committed_amount,
        locked_amount=transfer.locked_amount,
        # What was locked for this transfer is told beside it.
        available_amount=_available(sender, min_balance + transfer.locked_amount, now),
        transfer_note_bytes=len(message.transfer_note.encode()),
        transfer_note_max_bytes=policy.transfer_note_max_bytes,
        prepared_at=transfer.prepared_at,
        deadline=transfer.deadline,
        final_interest_rate_ts=transfer.final_interest_rate_ts,
        last_interest_rate_change_ts=sender.last_interest_rate_change_ts,
    )


def _available(account: Account, min_balance: int, now: Moment) -> int:
    return max(numbers.MIN_INT64, min(numbers.MAX_INT64, available_at(account, now) - min_balance))


def refused_config(message: ConfigureAccount) -> Refusal:
    """A configuration that is not valid."""
    return Refusal(
        "configuration",
        codes.INVALID_CONFIGURATION,
        message.debtor_id,
        message.creditor_id,
        config_ts=message.ts,
        config_seqnum=message.seqnum,
        config_flags=message.config_flags,
        negligible_amount=message.negligible_amount,
        config_data=message.config_data,
    )
