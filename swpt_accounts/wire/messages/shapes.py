"""Incoming messages as frozen values, fields in the order of the protocol.

See protocol.rst#messages-to-the-server.  All timestamps are moments.
"""

from typing import Final, TypeAlias

import msgspec

from .fields import (
    Amount,
    ConfigData,
    CoordinatorType,
    Delay,
    Delta,
    Int32,
    Int64,
    NegligibleAmount,
    Recipient,
    Timestamp,
    TransferNote,
    TransferNoteFormat,
)


class _Incoming(
    msgspec.Struct, frozen=True, gc=False, tag_field="type", tag=True, forbid_unknown_fields=True
):
    """What all incoming messages share: `type` is the name of the class.

    msgspec would skip unknown members without looking into their strings; so they are
    forbidden on the fast way, and ignored as they should be on the slow way.
    """


class ConfigureAccount(_Incoming, frozen=True, gc=False):
    """Makes sure that an account exists, and replaces its configuration (protocol.rst#configureaccount)."""

    debtor_id: Int64
    creditor_id: Int64
    negligible_amount: NegligibleAmount
    config_flags: Int32
    config_data: ConfigData
    ts: Timestamp
    seqnum: Int32


class PrepareTransfer(_Incoming, frozen=True, gc=False):
    """Asks to secure an amount for a transfer (protocol.rst#preparetransfer)."""

    debtor_id: Int64
    creditor_id: Int64
    coordinator_type: CoordinatorType
    coordinator_id: Int64
    coordinator_request_id: Int64
    min_locked_amount: Amount
    max_locked_amount: Amount
    recipient: Recipient
    final_interest_rate_ts: Timestamp
    max_commit_delay: Delay
    ts: Timestamp


class FinalizeTransfer(_Incoming, frozen=True, gc=False):
    """Commits or dismisses a prepared transfer (protocol.rst#finalizetransfer)."""

    debtor_id: Int64
    creditor_id: Int64
    transfer_id: Int64
    coordinator_type: CoordinatorType
    coordinator_id: Int64
    coordinator_request_id: Int64
    committed_amount: Amount
    transfer_note: TransferNote
    transfer_note_format: TransferNoteFormat
    ts: Timestamp


class PendingBalanceChange(_Incoming, frozen=True, gc=False):
    """A credit on its way from another shard (rules.md#credits-between-shards)."""

    debtor_id: Int64
    creditor_id: Int64
    change_id: Int64
    coordinator_type: CoordinatorType
    transfer_note: TransferNote
    transfer_note_format: TransferNoteFormat
    committed_at: Timestamp
    principal_delta: Delta
    other_creditor_id: Int64


Message: TypeAlias = ConfigureAccount | PrepareTransfer | FinalizeTransfer | PendingBalanceChange
MESSAGE_TYPES: Final[dict[str, type[Message]]] = {
    "ConfigureAccount": ConfigureAccount,
    "PrepareTransfer": PrepareTransfer,
    "FinalizeTransfer": FinalizeTransfer,
    "PendingBalanceChange": PendingBalanceChange,
}
