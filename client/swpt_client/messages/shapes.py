"""The ten messages as frozen values, their fields in the order of the protocol.

All timestamps are moments, all durations are seconds, as on the wire (protocol.rst).
"""

from datetime import date
from typing import Final, TypeAlias

import msgspec

from .fields import (
    AccountId,
    AnyAmount,
    Code,
    ConfigData,
    CoordinatorType,
    DemurrageRate,
    Int32,
    Int64,
    InterestRate,
    Iri,
    NoteMaxBytes,
    PositiveAmount,
    Seconds,
    Sha256,
    Timestamp,
    TransferNote,
    TransferNoteFormat,
    UnsignedAmount,
    UnsignedReal,
)


class _Message(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag=True):
    """What all messages share: `type` is the name of the class."""

    debtor_id: Int64
    creditor_id: Int64


# --- to the server ------------------------------------------------------------------------------


class ConfigureAccount(_Message, frozen=True):
    """Makes sure that an account exists, and replaces its configuration as a whole."""

    negligible_amount: UnsignedReal
    config_flags: Int32
    config_data: ConfigData
    ts: Timestamp
    seqnum: Int32


class PrepareTransfer(_Message, frozen=True):
    """Asks the server to secure an amount for a transfer."""

    coordinator_type: CoordinatorType
    coordinator_id: Int64
    coordinator_request_id: Int64
    min_locked_amount: UnsignedAmount
    max_locked_amount: UnsignedAmount
    recipient: AccountId
    final_interest_rate_ts: Timestamp
    max_commit_delay: Seconds
    ts: Timestamp


class FinalizeTransfer(_Message, frozen=True):
    """Commits a prepared transfer, or dismisses it (amount 0)."""

    transfer_id: Int64
    coordinator_type: CoordinatorType
    coordinator_id: Int64
    coordinator_request_id: Int64
    committed_amount: UnsignedAmount
    transfer_note: TransferNote
    transfer_note_format: TransferNoteFormat
    ts: Timestamp


# --- from the server ----------------------------------------------------------------------------


class RejectedConfig(_Message, frozen=True):
    """A ConfigureAccount was refused."""

    config_ts: Timestamp
    config_seqnum: Int32
    config_flags: Int32
    negligible_amount: UnsignedReal
    config_data: ConfigData
    rejection_code: Code
    ts: Timestamp


class RejectedTransfer(_Message, frozen=True):
    """A PrepareTransfer was refused."""

    coordinator_type: CoordinatorType
    coordinator_id: Int64
    coordinator_request_id: Int64
    status_code: Code
    total_locked_amount: UnsignedAmount
    ts: Timestamp


class PreparedTransfer(_Message, frozen=True):
    """A transfer was prepared, or still waits."""

    transfer_id: Int64
    coordinator_type: CoordinatorType
    coordinator_id: Int64
    coordinator_request_id: Int64
    locked_amount: UnsignedAmount
    recipient: AccountId
    prepared_at: Timestamp
    demurrage_rate: DemurrageRate
    deadline: Timestamp
    final_interest_rate_ts: Timestamp
    ts: Timestamp


class FinalizedTransfer(_Message, frozen=True):
    """A prepared transfer was committed or dismissed, with or without success."""

    transfer_id: Int64
    coordinator_type: CoordinatorType
    coordinator_id: Int64
    coordinator_request_id: Int64
    committed_amount: UnsignedAmount
    status_code: Code
    total_locked_amount: UnsignedAmount
    prepared_at: Timestamp
    ts: Timestamp


class AccountUpdate(_Message, frozen=True):
    """The state of an account changed, or a heartbeat says that it still exists."""

    creation_date: date
    last_change_ts: Timestamp
    last_change_seqnum: Int32
    principal: Int64
    interest: float
    interest_rate: InterestRate
    last_interest_rate_change_ts: Timestamp
    last_config_ts: Timestamp
    last_config_seqnum: Int32
    negligible_amount: UnsignedReal
    config_flags: Int32
    config_data: ConfigData
    account_id: AccountId
    debtor_info_iri: Iri
    debtor_info_content_type: AccountId
    debtor_info_sha256: Sha256
    last_transfer_number: UnsignedAmount
    last_transfer_committed_at: Timestamp
    demurrage_rate: DemurrageRate
    commit_period: Seconds
    transfer_note_max_bytes: NoteMaxBytes
    ts: Timestamp
    ttl: Seconds


class AccountPurge(_Message, frozen=True):
    """An account was removed from the server's database."""

    creation_date: date
    ts: Timestamp


class AccountTransfer(_Message, frozen=True):
    """A transfer that is not negligible changed the principal of an account."""

    creation_date: date
    transfer_number: PositiveAmount
    coordinator_type: CoordinatorType
    sender: AccountId
    recipient: AccountId
    acquired_amount: AnyAmount
    transfer_note: TransferNote
    transfer_note_format: TransferNoteFormat
    committed_at: Timestamp
    principal: Int64
    ts: Timestamp
    previous_transfer_number: UnsignedAmount


ClientMessage: TypeAlias = ConfigureAccount | PrepareTransfer | FinalizeTransfer
"""What a client sends."""

TransferMessage: TypeAlias = RejectedTransfer | PreparedTransfer | FinalizedTransfer
"""What a coordinator receives."""

AccountMessage: TypeAlias = RejectedConfig | AccountUpdate | AccountPurge | AccountTransfer
"""What the owner of an account receives."""

ServerMessage: TypeAlias = TransferMessage | AccountMessage
"""What a client receives."""

SERVER_MESSAGE_TYPES: Final[dict[str, type[ServerMessage]]] = {
    kind.__name__: kind
    for kind in (
        RejectedConfig,
        RejectedTransfer,
        PreparedTransfer,
        FinalizedTransfer,
        AccountUpdate,
        AccountPurge,
        AccountTransfer,
    )
}
