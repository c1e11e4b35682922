"""What the outgoing messages say: from accounts and transfers to events.

Pure translations (rules.md#announcements).
"""

from functools import lru_cache

from swpt_accounts.events import (
    AccountPurge,
    AccountTransfer,
    AccountUpdate,
    FinalizedTransfer,
    PendingBalanceChange,
    PreparedTransfer,
    RejectedConfig,
    RejectedTransfer,
)
from swpt_accounts.wire import codes, numbers
from swpt_accounts.wire.messages import ConfigureAccount, PrepareTransfer
from swpt_accounts.wire.moments import MICROSECONDS_PER_DAY, Moment, render_timestamp, utc_date
from swpt_accounts.wire.numbers import u64

from .accounts import Account
from .facts import Payment
from .policy import Policy
from .transfers import PreparedTransfer as Prepared
from .transfers import Rejection


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    return utc_date(days * MICROSECONDS_PER_DAY).isoformat()


@lru_cache(maxsize=65536)
def account_id(creditor_id: int) -> str:
    """The public identifier of an account (protocol.rst#account-identifiers)."""
    return str(u64(creditor_id))


def creation_date(created_at: Moment) -> str:
    """The UTC date of creation, as it is written."""
    return _day(created_at // MICROSECONDS_PER_DAY)


def account_update(account: Account, config_data: str, policy: Policy, now: Moment) -> AccountUpdate:
    """The state of the account at this moment (rules.md#content-of-accountupdate).

    Its ts is the moment of emission, whenever it is published (rule O10).
    """
    return AccountUpdate(
        debtor_id=account.debtor_id,
        creditor_id=account.creditor_id,
        creation_date=creation_date(account.created_at),
        last_change_ts=render_timestamp(account.last_change_ts),
        last_change_seqnum=account.last_change_seqnum,
        principal=account.principal,
        interest=account.interest,
        interest_rate=account.interest_rate,
        last_interest_rate_change_ts=render_timestamp(account.last_interest_rate_change_ts),
        last_config_ts=render_timestamp(account.last_config_ts),
        last_config_seqnum=account.last_config_seqnum,
        negligible_amount=account.negligible_amount,
        config_flags=account.config_flags,
        config_data=config_data,
        account_id=account_id(account.creditor_id),
        debtor_info_iri=account.debtor_info.iri,
        debtor_info_content_type=account.debtor_info.content_type,
        debtor_info_sha256=account.debtor_info.sha256,
        last_transfer_number=account.last_transfer_number,
        last_transfer_committed_at=render_timestamp(account.last_transfer_committed_at),
        demurrage_rate=numbers.DEMURRAGE_RATE,
        commit_period=policy.commit_period_seconds,
        transfer_note_max_bytes=policy.transfer_note_max_bytes,
        ts=render_timestamp(max(now, account.last_change_ts)),
        ttl=policy.account_update_ttl_seconds,
    )


def account_purge(account: Account, now: Moment) -> AccountPurge:
    """The account is removed from the database."""
    return AccountPurge(
        debtor_id=account.debtor_id,
        creditor_id=account.creditor_id,
        creation_date=creation_date(account.created_at),
        ts=render_timestamp(now),
    )


def rejected_config(message: ConfigureAccount, now: Moment) -> RejectedConfig:
    """The configuration is not valid; everything is echoed."""
    return RejectedConfig(
        debtor_id=message.debtor_id,
        creditor_id=message.creditor_id,
        config_ts=render_timestamp(message.ts),
        config_seqnum=message.seqnum,
        config_flags=message.config_flags,
        negligible_amount=message.negligible_amount,
        config_data=message.config_data,
        rejection_code=codes.INVALID_CONFIGURATION,
        ts=render_timestamp(now),
    )


def rejected_transfer(request: PrepareTransfer, rejection: Rejection, now: Moment) -> RejectedTransfer:
    """The transfer was not prepared."""
    return RejectedTransfer(
        debtor_id=request.debtor_id,
        creditor_id=request.creditor_id,
        coordinator_type=request.coordinator_type,
        coordinator_id=request.coordinator_id,
        coordinator_request_id=request.coordinator_request_id,
        status_code=rejection.status_code,
        total_locked_amount=rejection.total_locked_amount,
        ts=render_timestamp(now),
    )


def prepared_transfer(transfer: Prepared, now: Moment) -> PreparedTransfer:
    """The transfer is prepared, or still waits; never dated before its preparation."""
    return PreparedTransfer(
        debtor_id=transfer.debtor_id,
        creditor_id=transfer.creditor_id,
        transfer_id=transfer.transfer_id,
        coordinator_type=transfer.coordinator_type,
        coordinator_id=transfer.coordinator_id,
        coordinator_request_id=transfer.coordinator_request_id,
        locked_amount=transfer.locked_amount,
        recipient=account_id(transfer.recipient_creditor_id),
        prepared_at=render_timestamp(transfer.prepared_at),
        demurrage_rate=numbers.DEMURRAGE_RATE,
        deadline=render_timestamp(transfer.deadline),
        final_interest_rate_ts=render_timestamp(transfer.final_interest_rate_ts),
        ts=render_timestamp(max(now, transfer.prepared_at)),
    )


def finalized_transfer(
    transfer: Prepared,
    status_code: str,
    committed_amount: int,
    total_locked_amount: int,
    finalized_at: Moment,
) -> FinalizedTransfer:
    """The transfer was committed or dismissed."""
    return FinalizedTransfer(
        debtor_id=transfer.debtor_id,
        creditor_id=transfer.creditor_id,
        transfer_id=transfer.transfer_id,
        coordinator_type=transfer.coordinator_type,
        coordinator_id=transfer.coordinator_id,
        coordinator_request_id=transfer.coordinator_request_id,
        committed_amount=committed_amount,
        status_code=status_code,
        total_locked_amount=total_locked_amount,
        prepared_at=render_timestamp(transfer.prepared_at),
        ts=render_timestamp(finalized_at),
    )


def account_transfer(
    account: Account,
    previous_transfer_number: int,
    acquired_amount: int,
    other_creditor_id: int,
    payment: Payment,
    now: Moment,
) -> AccountTransfer:
    """One transfer in the ledger of the account, right after it was applied.

    See rules.md#transfers-that-are-announced.
    """
    this, other = account_id(account.creditor_id), account_id(other_creditor_id)
    sender, recipient = (other, this) if acquired_amount > 0 else (this, other)
    return AccountTransfer(
        debtor_id=account.debtor_id,
        creditor_id=account.creditor_id,
        creation_date=creation_date(account.created_at),
        transfer_number=account.last_transfer_number,
        coordinator_type=payment.coordinator_type,
        sender=sender,
        recipient=recipient,
        acquired_amount=acquired_amount,
        transfer_note=payment.transfer_note,
        transfer_note_format=payment.transfer_note_format,
        committed_at=render_timestamp(payment.committed_at),
        principal=account.principal,
        ts=render_timestamp(now),
        previous_transfer_number=previous_transfer_number,
    )


def pending_balance_change(
    debtor_id: int, creditor_id: int, principal_delta: int, other_creditor_id: int, payment: Payment
) -> PendingBalanceChange:
    """A credit for an account of another shard (rules.md#credits-from-other-shards)."""
    return PendingBalanceChange(
        debtor_id=debtor_id,
        creditor_id=creditor_id,
        change_id=payment.transfer_id,
        coordinator_type=payment.coordinator_type,
        transfer_note=payment.transfer_note,
        transfer_note_format=payment.transfer_note_format,
        committed_at=render_timestamp(payment.committed_at),
        principal_delta=principal_delta,
        other_creditor_id=other_creditor_id,
    )
