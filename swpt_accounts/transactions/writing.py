"""The SQL by which a transaction stores: each statement has a name and a purpose."""

# ruff: noqa: S608 - the texts are put together from constants only.

from collections.abc import Iterable
from typing import Final

from swpt_accounts.storage.prepared import Statement

from .columns import (
    ACCOUNT_COLUMNS,
    ACCOUNT_KEY,
    CREDIT_COLUMNS,
    FIRST_BALANCE_COLUMN,
    FLOW_COLUMNS,
    JOURNAL_COLUMNS,
    TRANSFER_COLUMNS,
    TRANSFER_KEY,
    WAITING_COLUMNS,
    unnest,
)


def _update_accounts(columns: Iterable[str]) -> str:
    columns = list(columns)
    return f"""
UPDATE account a SET {", ".join(f"{column} = k.{column}" for column in columns)}
FROM {unnest([*ACCOUNT_KEY, *columns])}
WHERE a.debtor_id = k.debtor_id AND a.creditor_id = k.creditor_id
"""


# What transfers change.
UPDATE_BALANCES: Final = Statement(
    "update_balances", _update_accounts(ACCOUNT_COLUMNS[FIRST_BALANCE_COLUMN:])
)

# What configurations, settings and the life of an account change.
UPDATE_ACCOUNTS: Final = Statement("update_accounts", _update_accounts(ACCOUNT_COLUMNS[2:]))

# Fewer rows than asked mean that somebody else was first: the batch is tried again.
INSERT_ACCOUNTS: Final = Statement(
    "insert_accounts",
    f"""
INSERT INTO account ({", ".join(ACCOUNT_COLUMNS)})
SELECT * FROM {unnest(ACCOUNT_COLUMNS)}
ON CONFLICT DO NOTHING
""",
)

INSERT_TRANSFERS: Final = Statement(
    "insert_transfers",
    f"""
INSERT INTO prepared_transfer ({", ".join(TRANSFER_COLUMNS)})
SELECT * FROM {unnest(TRANSFER_COLUMNS)}
""",
)

DELETE_TRANSFERS: Final = Statement(
    "delete_transfers",
    f"""
DELETE FROM prepared_transfer p USING {unnest(TRANSFER_KEY)}
WHERE p.debtor_id = k.debtor_id AND p.creditor_id = k.creditor_id AND p.transfer_id = k.transfer_id
""",
)

REMIND_TRANSFERS: Final = Statement(
    "remind_transfers",
    f"""
UPDATE prepared_transfer p SET last_reminder_ts = k.last_reminder_ts
FROM {unnest([*TRANSFER_KEY, "last_reminder_ts"])}
WHERE p.debtor_id = k.debtor_id AND p.creditor_id = k.creditor_id AND p.transfer_id = k.transfer_id
""",
)

PURGE_ACCOUNTS: Final = Statement(
    "purge_accounts",
    f"""
DELETE FROM account a USING {unnest(ACCOUNT_KEY)}
WHERE a.debtor_id = k.debtor_id AND a.creditor_id = k.creditor_id
""",
)

# What goes with purged accounts.
PURGE_UPDATES_DUE: Final = Statement(
    "purge_updates_due",
    f"""
DELETE FROM account_update_due d USING {unnest(ACCOUNT_KEY)}
WHERE d.debtor_id = k.debtor_id AND d.creditor_id = k.creditor_id
""",
)

PURGE_ROOT_CONFIGURATIONS: Final = Statement(
    "purge_root_configurations",
    f"""
DELETE FROM root_configuration r USING {unnest(ACCOUNT_KEY)}
WHERE k.creditor_id = 0 AND r.debtor_id = k.debtor_id
""",
)

INSERT_ENTRIES: Final = Statement(
    "insert_entries",
    f"""
INSERT INTO journal ({", ".join(JOURNAL_COLUMNS)})
SELECT * FROM {unnest(JOURNAL_COLUMNS)}
""",
)

# Only for accounts on which nothing was pending.  A row that is still there is due earlier.
INSERT_UPDATES_DUE: Final = Statement(
    "insert_updates_due",
    f"""
INSERT INTO account_update_due (debtor_id, creditor_id, due_at)
SELECT * FROM {unnest([*ACCOUNT_KEY, "due_at"])}
ON CONFLICT DO NOTHING
""",
)

INSERT_CREDITS: Final = Statement(
    "insert_credits",
    f"""
INSERT INTO registered_balance_change ({", ".join(CREDIT_COLUMNS)})
SELECT * FROM {unnest(CREDIT_COLUMNS)}
""",
)

# Fewer rows than asked mean that somebody else was first: the batch is tried again, and recognizes them.
INSERT_WAITING: Final = Statement(
    "insert_waiting",
    f"""
INSERT INTO waiting_request ({", ".join(WAITING_COLUMNS)}, waiting_since, next_attempt_at)
SELECT * FROM {unnest([*WAITING_COLUMNS, "waiting_since", "next_attempt_at"])}
ON CONFLICT DO NOTHING
""",
)

INSERT_FLOWS: Final = Statement(
    "insert_flows",
    f"""
INSERT INTO credit_flow ({", ".join(FLOW_COLUMNS)})
SELECT * FROM {unnest(FLOW_COLUMNS)}
""",
)

# New and revived accounts whose root account is on another shard.
INSERT_SETTINGS_DUE: Final = Statement(
    "insert_settings_due",
    f"""
INSERT INTO settings_due (debtor_id, creditor_id)
SELECT * FROM {unnest(ACCOUNT_KEY)}
ON CONFLICT DO NOTHING
""",
)

STORE_ROOT_CONFIGURATION: Final = """
INSERT INTO root_configuration (debtor_id, config_data) VALUES (%(debtor_id)s, %(config_data)s)
ON CONFLICT (debtor_id) DO UPDATE SET config_data = excluded.config_data
"""

# The pass over the accounts of the currency starts anew.
REQUEST_PROPAGATION: Final = """
INSERT INTO settings_propagation (debtor_id, requested_at) VALUES (%(debtor_id)s, %(now)s)
ON CONFLICT (debtor_id) DO UPDATE
SET requested_at = excluded.requested_at, barrier = NULL, is_final_pass = false, next_creditor_id = NULL
"""

INSERT_OUTBOX: Final = Statement(
    "insert_outbox",
    """
INSERT INTO outbox (created_at, publisher_key, type_counts, accounts, payload)
VALUES (%s::int8, %s::int8, %s::jsonb, %s::bytea, %s::bytea)
RETURNING outbox_id, pg_current_xact_id()::xid::text::int8
""",
)
