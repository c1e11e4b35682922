"""The columns of the tables that a transaction reads and writes, in the order of the fields of the rules.

Keys and values travel as arrays, so that a batch of any size costs the same number of statements.  The
arrays are texts: cheaper to adapt than lists, and they keep -0.0.
"""

# ruff: noqa: SIM905 - the lists are long.

from collections.abc import Iterable
from typing import Final

from swpt_accounts.storage.arrays import COLUMN_TYPES
from swpt_accounts.wire.routing import Realm

ACCOUNT_KEY: Final = ["debtor_id", "creditor_id"]

TRANSFER_KEY: Final = ["debtor_id", "creditor_id", "transfer_id"]

REQUEST_KEY: Final = [
    "debtor_id",
    "creditor_id",
    "coordinator_type",
    "coordinator_id",
    "coordinator_request_id",
]

FLOW_COLUMNS: Final = ["debtor_id", "committed_slot", "emitted", "applied"]

CREDIT_KEY: Final = ["debtor_id", "other_creditor_id", "change_id"]

ACCOUNT_COLUMNS: Final = (
    "debtor_id creditor_id created_at interest_rate previous_interest_rate last_interest_rate_change_ts"
    " last_capitalization_ts last_config_ts last_config_seqnum last_config_applied_at negligible_amount"
    " config_flags debtor_info_id last_deletion_ts announced_settings deleted overflown last_change_seqnum"
    " last_change_ts principal interest last_transfer_number last_transfer_committed_at last_transfer_id"
    " total_locked_amount pending_transfers_count last_update_ts last_delayed_update_ts update_pending_since"
).split()
"""In the order of the fields of `accounts.Account`."""

ACCOUNT_ROW: Final = (
    "'[' || concat_ws(',', "
    + ", ".join(f"{name}::text" if name in ("deleted", "overflown") else name for name in ACCOUNT_COLUMNS)
    + ", account.xmin) || ']'"
)
"""An account and the version of its row as one JSON text: msgspec reads many at once, the driver one by one.

All columns are NOT NULL, and hold finite numbers or truth values.
"""

FIRST_BALANCE_COLUMN: Final = ACCOUNT_COLUMNS.index("overflown")
"""Transfers change nothing before it."""

TRANSFER_COLUMNS: Final = (
    "debtor_id creditor_id transfer_id coordinator_type coordinator_id coordinator_request_id"
    " recipient_creditor_id locked_amount prepared_at deadline final_interest_rate_ts last_reminder_ts"
).split()
"""In the order of the fields of `transfers.PreparedTransfer`."""

JOURNAL_COLUMNS: Final = (
    "applied_at debtor_id sender_creditor_id recipient_creditor_id amount sender_principal"
    " recipient_principal sender_created_at recipient_created_at sender_transfer_number"
    " recipient_transfer_number committed_at transfer_id coordinator_id coordinator_request_id"
    " coordinator_type transfer_note_format transfer_note"
).split()
"""In the order of the fields of `facts.Entry`."""

WAITING_COLUMNS: Final = [
    *REQUEST_KEY,
    "recipient_creditor_id",
    "min_locked_amount",
    "max_locked_amount",
    "final_interest_rate_ts",
    "max_commit_delay",
    "ts",
]
"""What is kept of a PrepareTransfer that waits for another shard."""

CREDIT_COLUMNS: Final = [*CREDIT_KEY, "creditor_id", "principal_delta", "committed_at"]
"""The key, and then the fields of `facts.Credit` in their order."""


def unnest(columns: Iterable[str]) -> str:
    """The parameters of a statement as a relation `k` with these columns.

    In a list of columns the arrays are unnested side by side, row by row; `FROM unnest(…, …)` would
    write each of them into a store of its own first.
    """
    arrays = ", ".join(f"unnest(%s::{COLUMN_TYPES.get(column, 'int8')}[]) AS {column}" for column in columns)
    return f"(SELECT {arrays}) AS k"


def owned(realm: Realm, creditor_id: str = "creditor_id") -> str:
    """The condition in SQL that the account of a row belongs to this realm (rules.md#realms)."""
    if realm.bits == 0:
        return "true"
    digest = f"md5(int8send(debtor_id) || int8send({creditor_id}::int8))"
    return f"(('x' || left({digest}, 8))::bit(32)::bit({realm.bits}) = B'{realm.prefix:0{realm.bits}b}')"


def prefixed(columns: Iterable[str], alias: str) -> str:
    """A list of columns of the relation with this alias."""
    return ", ".join(f"{alias}.{column}" for column in columns)
