"""Two-phase transfers: the ladders of prepare and finalize.

See rules.md#preparing-a-transfer and rules.md#finalizing-a-transfer.
"""

import re
from typing import Final

import msgspec

from swpt_accounts.wire import codes, numbers
from swpt_accounts.wire.messages import FinalizeTransfer, PrepareTransfer
from swpt_accounts.wire.moments import T0, Moment, elapsed_seconds, later_by, seconds
from swpt_accounts.wire.numbers import subnet

from .accounts import Account, available_at
from .balances import guaranteed_amount
from .policy import Policy

_IDENTIFIER: Final = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)

replace = msgspec.structs.replace


class PreparedTransfer(msgspec.Struct, frozen=True, gc=False):
    """A lock that waits for its finalization (rules.md#prepared-transfers)."""

    debtor_id: int
    creditor_id: int
    transfer_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    recipient_creditor_id: int
    locked_amount: int
    prepared_at: Moment
    deadline: Moment
    final_interest_rate_ts: Moment
    last_reminder_ts: Moment = T0


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """Why a transfer was not prepared; `total_locked_amount` goes into RejectedTransfer."""

    status_code: str
    total_locked_amount: int = 0


def parse_recipient(identifier: str) -> int | None:
    """The creditor id that an account identifier names, if it is one in its only form (P3)."""
    if _IDENTIFIER.fullmatch(identifier) is None:
        return None
    number = int(identifier)
    if number > numbers.MAX_UINT64:
        return None
    return numbers.i64(number)


def prepare(
    sender: Account | None,
    request: PrepareTransfer,
    recipient_creditor_id: int | None,
    recipient_is_reachable: bool,
    min_balance: int,
    policy: Policy,
    now: Moment,
) -> PreparedTransfer | Rejection:
    """Lock an amount for a transfer, or say why not: rules P3 to P11.

    `recipient_creditor_id` is the parsed recipient, and `min_balance` how far the sender's
    balance may fall.  Repeated requests (P1, P2) are recognized by the caller.
    """
    is_agent = request.coordinator_type == codes.CT_AGENT
    if recipient_creditor_id is None:  # P3
        return Rejection(codes.RECIPIENT_IS_UNREACHABLE)
    if not is_agent and not recipient_is_reachable:  # P4
        return Rejection(codes.RECIPIENT_IS_UNREACHABLE)
    if sender is None or sender.is_deleted:  # P5
        return Rejection(codes.SENDER_IS_UNREACHABLE)
    if is_agent and not _share_subnet(sender.creditor_id, recipient_creditor_id):  # P6
        return Rejection(codes.RECIPIENT_IS_UNREACHABLE)
    locked = sender.total_locked_amount
    if sender.pending_transfers_count >= policy.max_prepared_transfers:  # P7
        return Rejection(codes.TOO_MANY_TRANSFERS, locked)
    if sender.creditor_id == recipient_creditor_id:  # P8
        return Rejection(codes.RECIPIENT_SAME_AS_SENDER, locked)
    if sender.last_interest_rate_change_ts > request.final_interest_rate_ts:  # P9
        return Rejection(codes.NEWER_INTEREST_RATE, locked)
    lockable = max(0, min(request.max_locked_amount, available_at(sender, now) - min_balance))
    if lockable < request.min_locked_amount:  # P10
        return Rejection(codes.INSUFFICIENT_AVAILABLE_AMOUNT, locked)
    return PreparedTransfer(  # P11
        sender.debtor_id,
        sender.creditor_id,
        sender.last_transfer_id + 1,
        request.coordinator_type,
        request.coordinator_id,
        request.coordinator_request_id,
        recipient_creditor_id,
        lockable,
        now,
        min(
            later_by(now, seconds(policy.commit_period_seconds)),
            later_by(request.ts, seconds(request.max_commit_delay)),
        ),
        request.final_interest_rate_ts,
    )


def _share_subnet(a: int, b: int) -> bool:
    return subnet(a) == subnet(b) != 0


def locked(sender: Account, transfer: PreparedTransfer) -> Account:
    """The sender's account with the amount of a new prepared transfer locked (P11)."""
    return replace(
        sender,
        last_transfer_id=transfer.transfer_id,
        total_locked_amount=min(numbers.MAX_INT64, sender.total_locked_amount + transfer.locked_amount),
        pending_transfers_count=sender.pending_transfers_count + 1,
    )


def finalize(
    sender: Account,
    transfer: PreparedTransfer,
    message: FinalizeTransfer,
    min_balance: int,
    policy: Policy,
    now: Moment,
) -> str:
    """The status of a finalization: rules F2 to F7.

    `OK` moves exactly `message.committed_amount`, which is 0 for a dismissal; any other
    status moves nothing.  The sender is seen before the transfer is unlocked.
    """
    amount = message.committed_amount
    if amount == 0:  # F2
        return codes.OK
    if now > transfer.deadline:  # F3
        return codes.TIMEOUT
    if sender.last_interest_rate_change_ts > transfer.final_interest_rate_ts:  # F4
        return codes.NEWER_INTEREST_RATE
    if len(message.transfer_note.encode()) > policy.transfer_note_max_bytes:  # F5
        return codes.TRANSFER_NOTE_IS_TOO_LONG
    free = available_at(sender, now) - min_balance
    if amount <= free + transfer.locked_amount:  # F6 (A): the money is really there
        return codes.OK
    if _is_guaranteed(sender, transfer, amount, now):  # F6 (B)
        return codes.OK
    return codes.INSUFFICIENT_AVAILABLE_AMOUNT


def _is_guaranteed(sender: Account, transfer: PreparedTransfer, amount: int, now: Moment) -> bool:
    """Whether the promise that was made at preparation still covers the amount."""
    if amount > transfer.locked_amount:
        return False
    if sender.is_root:
        return True
    return amount <= guaranteed_amount(transfer.locked_amount, elapsed_seconds(transfer.prepared_at, now))


def unlocked(sender: Account, transfer: PreparedTransfer) -> Account:
    """The sender's account after its prepared transfer is gone (rules.md#what-happens-then)."""
    return replace(
        sender,
        total_locked_amount=max(0, sender.total_locked_amount - transfer.locked_amount),
        pending_transfers_count=sender.pending_transfers_count - 1,
    )
