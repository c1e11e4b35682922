"""What rows of the public reference server mean here: its accounts and prepared transfers.

Pure: a row of its table in, a row of ours out, or a sentence on why there is none
(docs/from-the-reference.md).  `why_not_account` and `why_not_transfer` come first; what they let pass is
mapped field by field.
"""

import math
from typing import Final

import msgspec

from swpt_accounts.wire import codes, numbers
from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, T0, Moment

from .accounts import Account
from .currency import NO_DEBTOR_INFO, DebtorInfo
from .transfers import PreparedTransfer

DELETED_FLAG: Final = 1
OVERFLOWN_FLAG: Final = 2

_LONGEST_TYPE: Final = 30


class ReferenceAccount(msgspec.Struct, frozen=True, gc=False):
    """A row of the table `account` there.  Moments are whole microseconds; the day is its midnight in UTC.

    The rates and the negligible amount are what their shortest decimal form says: they are stored in 32 bits.
    """

    debtor_id: int
    creditor_id: int
    creation_date: Moment
    last_change_seqnum: int
    last_change_ts: Moment
    principal: int
    interest: float
    interest_rate: float
    previous_interest_rate: float
    last_interest_rate_change_ts: Moment
    last_config_ts: Moment
    last_config_seqnum: int
    last_transfer_number: int
    last_transfer_committed_at: Moment
    last_transfer_id: int
    negligible_amount: float
    config_flags: int
    config_data: str
    debtor_info_iri: str | None
    debtor_info_content_type: str | None
    debtor_info_sha256: str | None
    """Hexadecimal digits, in capital letters."""
    status_flags: int
    total_locked_amount: int
    pending_transfers_count: int
    last_heartbeat_ts: Moment
    last_interest_capitalization_ts: Moment
    last_deletion_attempt_ts: Moment

    @property
    def is_root(self) -> bool:
        return self.creditor_id == numbers.ROOT_CREDITOR_ID

    @property
    def is_deleted(self) -> bool:
        return bool(self.status_flags & DELETED_FLAG)


class ReferenceTransfer(msgspec.Struct, frozen=True, gc=False):
    """A row of the table `prepared_transfer` there."""

    debtor_id: int
    sender_creditor_id: int
    transfer_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    recipient_creditor_id: int
    locked_amount: int
    prepared_at: Moment
    deadline: Moment
    final_interest_rate_ts: Moment
    demurrage_rate: float
    last_reminder_ts: Moment | None


def why_not_account(source: ReferenceAccount) -> str | None:
    """Why the account can not be taken over; none if it can."""
    if source.status_flags & ~(DELETED_FLAG | OVERFLOWN_FLAG):
        return f"has status_flags {source.status_flags}, of which only bits 0 and 1 are known"
    if not all(FIRST_MOMENT <= moment <= LAST_MOMENT for moment in _moments(source)):
        return "has a moment outside of the years 1 to 9999"
    if not abs(source.interest) <= 2.0**63:
        return f"has an interest of {source.interest}"
    if not 0.0 <= source.negligible_amount < math.inf:
        return f"has a negligible amount of {source.negligible_amount}"
    if source.is_deleted and not _is_empty(source):
        return "is deleted, but not empty"
    if source.is_root and (source.interest_rate, source.last_transfer_number) != (0.0, 0):
        return (
            f"is a root account with the rate {source.interest_rate} and {source.last_transfer_number}"
            " transfer numbers, which none has"
        )
    return None


def _moments(source: ReferenceAccount) -> tuple[Moment, ...]:
    return (
        source.creation_date,
        source.last_change_ts,
        source.last_interest_rate_change_ts,
        source.last_config_ts,
        source.last_transfer_committed_at,
        source.last_heartbeat_ts,
        source.last_interest_capitalization_ts,
        source.last_deletion_attempt_ts,
    )


def _is_empty(source: ReferenceAccount) -> bool:
    return (
        source.principal == 0
        and source.interest == 0.0
        and source.total_locked_amount == 0
        and source.pending_transfers_count == 0
    )


def account_of(source: ReferenceAccount, settings_version: int, imported_at: Moment) -> Account:
    """The account as it stands here right after the import, with its announcement due.

    `settings_version` is that of the server record.  What the source does not know is on the safe side:
    a configuration counts as applied now, an attempt to delete as a deletion.
    """
    return Account(
        debtor_id=source.debtor_id,
        creditor_id=source.creditor_id,
        created_at=source.creation_date,
        interest_rate=source.interest_rate,
        previous_interest_rate=source.previous_interest_rate,
        last_interest_rate_change_ts=source.last_interest_rate_change_ts,
        last_capitalization_ts=source.last_interest_capitalization_ts,
        last_config_ts=source.last_config_ts,
        last_config_seqnum=source.last_config_seqnum,
        last_config_applied_at=imported_at,
        negligible_amount=source.negligible_amount,
        config_flags=source.config_flags,
        debtor_info=debtor_info_of(source),
        last_deletion_ts=source.last_deletion_attempt_ts,
        announced_settings=settings_version,
        is_deleted=source.is_deleted,
        is_overflown=bool(source.status_flags & OVERFLOWN_FLAG),
        last_change_seqnum=source.last_change_seqnum,
        last_change_ts=source.last_change_ts,
        principal=source.principal,
        interest=source.interest,
        last_transfer_number=source.last_transfer_number,
        last_transfer_committed_at=source.last_transfer_committed_at,
        last_transfer_id=source.last_transfer_id,
        total_locked_amount=source.total_locked_amount,
        pending_transfers_count=source.pending_transfers_count,
        last_update_ts=source.last_heartbeat_ts,
        last_delayed_update_ts=T0,
        update_pending_since=T0 if source.is_deleted else imported_at,
    )


def debtor_info_of(source: ReferenceAccount) -> DebtorInfo:
    """The debtor info of an account; a root account has none."""
    if source.is_root:
        return NO_DEBTOR_INFO
    return DebtorInfo(
        source.debtor_info_iri or "",
        source.debtor_info_content_type or "",
        source.debtor_info_sha256 or "",
    )


def root_configuration_of(source: ReferenceAccount) -> str | None:
    """The configuration of the currency that is kept apart; none for other accounts, and if it is empty."""
    return source.config_data if source.is_root and source.config_data else None


def why_not_transfer(source: ReferenceTransfer) -> str | None:
    """Why the prepared transfer can not be taken over; none if it can."""
    if source.demurrage_rate != numbers.DEMURRAGE_RATE:
        return f"has the demurrage rate {source.demurrage_rate}, not {numbers.DEMURRAGE_RATE}"
    moments = source.prepared_at, source.deadline, source.final_interest_rate_ts, source.last_reminder_ts
    if not all(FIRST_MOMENT <= moment <= LAST_MOMENT for moment in moments if moment is not None):
        return "has a moment outside of the years 1 to 9999"
    if not 1 <= len(source.coordinator_type) <= _LONGEST_TYPE or not source.coordinator_type.isascii():
        return f"has the coordinator type {source.coordinator_type!r}"
    if source.coordinator_type in codes.RESERVED_COORDINATOR_TYPES:
        return f"has the coordinator type {source.coordinator_type!r}, which is for payments of the server"
    if source.sender_creditor_id == source.recipient_creditor_id:
        return "is from an account to itself"
    return None


def transfer_of(source: ReferenceTransfer) -> PreparedTransfer:
    """The prepared transfer as it stands here."""
    return PreparedTransfer(
        debtor_id=source.debtor_id,
        creditor_id=source.sender_creditor_id,
        transfer_id=source.transfer_id,
        coordinator_type=source.coordinator_type,
        coordinator_id=source.coordinator_id,
        coordinator_request_id=source.coordinator_request_id,
        recipient_creditor_id=source.recipient_creditor_id,
        locked_amount=source.locked_amount,
        prepared_at=source.prepared_at,
        deadline=source.deadline,
        final_interest_rate_ts=source.final_interest_rate_ts,
        last_reminder_ts=T0 if source.last_reminder_ts is None else source.last_reminder_ts,
    )
