"""The SQL of the batches: each statement has a name and a purpose.

Keys and values travel as arrays, so that a batch of any size costs the same number of
statements.  The arrays are texts: cheaper to adapt than lists, and they keep -0.0.
"""

# ruff: noqa: S608, SIM905 - the texts are put together from constants of this file only.

from collections.abc import Iterable
from typing import Final

from swpt_accounts.storage.arrays import COLUMN_TYPES
from swpt_accounts.storage.prepared import Statement

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


def _unnest(columns: Iterable[str]) -> str:
    """The parameters of a statement as a relation `k` with these columns.

    In a list of columns the arrays are unnested side by side, row by row; `FROM unnest(…, …)` would
    write each of them into a store of its own first.
    """
    arrays = ", ".join(f"unnest(%s::{COLUMN_TYPES.get(column, 'int8')}[]) AS {column}" for column in columns)
    return f"(SELECT {arrays}) AS k"


def _prefixed(columns: Iterable[str], alias: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in columns)


ACCOUNT_KEY: Final = ["debtor_id", "creditor_id"]
TRANSFER_KEY: Final = ["debtor_id", "creditor_id", "transfer_id"]
REQUEST_KEY: Final = [
    "debtor_id",
    "creditor_id",
    "coordinator_type",
    "coordinator_id",
    "coordinator_request_id",
]
CREDIT_KEY: Final = ["debtor_id", "other_creditor_id", "change_id"]

CREDIT_COLUMNS: Final = [*CREDIT_KEY, "creditor_id", "principal_delta", "committed_at"]
"""The key, and then the fields of `facts.Credit` in their order."""

# -- gather ------------------------------------------------------------------------------------

# The one place where accounts are locked: always in ascending order of their keys.  The answer is one row:
# how many are of the version that is known already, and the others as text.
LOCK_ACCOUNTS: Final = Statement(
    "lock_accounts",
    f"""
WITH locked AS MATERIALIZED (
    SELECT CASE WHEN account.xmin <> k.version THEN {ACCOUNT_ROW} END AS text
    FROM {_unnest([*ACCOUNT_KEY, "version"])} JOIN account USING (debtor_id, creditor_id)
    ORDER BY account.debtor_id, account.creditor_id
    FOR NO KEY UPDATE OF account)
SELECT count(*) FILTER (WHERE text IS NULL), string_agg(text, ',') FROM locked
""",
)

# Nothing changes a prepared transfer but its end, and reminders.
LOAD_TRANSFERS: Final = Statement(
    "load_transfers",
    f"""
SELECT {_prefixed(TRANSFER_COLUMNS, "p")}
FROM {_unnest(TRANSFER_KEY)} JOIN prepared_transfer p USING (debtor_id, creditor_id, transfer_id)
""",
)

# The prepared transfers that earlier deliveries of the same requests have made, under the locks of their
# senders.
LOAD_REPEATED: Final = Statement(
    "load_repeated",
    f"""
SELECT {_prefixed(TRANSFER_COLUMNS, "p")}
FROM {_unnest(REQUEST_KEY)}
JOIN prepared_transfer p USING ({", ".join(REQUEST_KEY)})
""",
)

# Which recipients accept transfers.  They are not locked: nothing is changed on them yet.
FIND_REACHABLE: Final = Statement(
    "find_reachable",
    f"""
SELECT a.debtor_id, a.creditor_id
FROM {_unnest(ACCOUNT_KEY)} JOIN account a USING (debtor_id, creditor_id)
WHERE NOT a.deleted AND a.config_flags & 1 = 0
""",
)

# Which accounts can still receive a prepared transfer of this shard.
FIND_INCOMING: Final = Statement(
    "find_incoming",
    f"""
SELECT k.debtor_id, k.creditor_id FROM {_unnest(ACCOUNT_KEY)}
WHERE EXISTS (
    SELECT 1 FROM prepared_transfer p
    WHERE p.debtor_id = k.debtor_id AND p.recipient_creditor_id = k.creditor_id AND p.deadline >= %s::int8)
""",
)

# Root configurations of the debtors whose root account exists, deleted or not.
LOAD_CURRENCIES: Final = Statement(
    "load_currencies",
    f"""
SELECT a.debtor_id, coalesce(r.config_data, '')
FROM {_unnest(["debtor_id"])}
JOIN account a ON a.debtor_id = k.debtor_id AND a.creditor_id = 0
LEFT JOIN root_configuration r ON r.debtor_id = k.debtor_id
""",
)

# A transaction that has an id is waited for by the propagation of settings (see chores).
GET_TRANSACTION_ID: Final = "SELECT pg_current_xact_id()"

LOAD_CREDITS: Final = Statement(
    "load_credits",
    f"""
SELECT {_prefixed(CREDIT_COLUMNS, "r")}
FROM {_unnest(CREDIT_KEY)} JOIN registered_balance_change r USING (debtor_id, other_creditor_id, change_id)
""",
)

LOAD_DEBTOR_INFOS: Final = Statement(
    "load_debtor_infos",
    f"""
SELECT i.debtor_info_id, i.iri, i.content_type, i.sha256
FROM {_unnest(["debtor_info_id"])} JOIN debtor_info i USING (debtor_info_id)
""",
)

LOAD_SERVER_RECORD: Final = (
    "SELECT transfer_note_max_bytes, commit_period, settings_version FROM server_record"
)

# -- apply -------------------------------------------------------------------------------------


def _update_accounts(columns: Iterable[str]) -> str:
    columns = list(columns)
    return f"""
UPDATE account a SET {", ".join(f"{column} = k.{column}" for column in columns)}
FROM {_unnest([*ACCOUNT_KEY, *columns])}
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
SELECT * FROM {_unnest(ACCOUNT_COLUMNS)}
ON CONFLICT DO NOTHING
""",
)

INSERT_TRANSFERS: Final = Statement(
    "insert_transfers",
    f"""
INSERT INTO prepared_transfer ({", ".join(TRANSFER_COLUMNS)})
SELECT * FROM {_unnest(TRANSFER_COLUMNS)}
""",
)

DELETE_TRANSFERS: Final = Statement(
    "delete_transfers",
    f"""
DELETE FROM prepared_transfer p USING {_unnest(TRANSFER_KEY)}
WHERE p.debtor_id = k.debtor_id AND p.creditor_id = k.creditor_id AND p.transfer_id = k.transfer_id
""",
)

REMIND_TRANSFERS: Final = Statement(
    "remind_transfers",
    f"""
UPDATE prepared_transfer p SET last_reminder_ts = k.last_reminder_ts
FROM {_unnest([*TRANSFER_KEY, "last_reminder_ts"])}
WHERE p.debtor_id = k.debtor_id AND p.creditor_id = k.creditor_id AND p.transfer_id = k.transfer_id
""",
)

PURGE_ACCOUNTS: Final = Statement(
    "purge_accounts",
    f"""
DELETE FROM account a USING {_unnest(ACCOUNT_KEY)}
WHERE a.debtor_id = k.debtor_id AND a.creditor_id = k.creditor_id
""",
)

# What goes with purged accounts.
PURGE_UPDATES_DUE: Final = Statement(
    "purge_updates_due",
    f"""
DELETE FROM account_update_due d USING {_unnest(ACCOUNT_KEY)}
WHERE d.debtor_id = k.debtor_id AND d.creditor_id = k.creditor_id
""",
)

PURGE_ROOT_CONFIGURATIONS: Final = Statement(
    "purge_root_configurations",
    f"""
DELETE FROM root_configuration r USING {_unnest(ACCOUNT_KEY)}
WHERE k.creditor_id = 0 AND r.debtor_id = k.debtor_id
""",
)

INSERT_ENTRIES: Final = Statement(
    "insert_entries",
    f"""
INSERT INTO journal ({", ".join(JOURNAL_COLUMNS)})
SELECT * FROM {_unnest(JOURNAL_COLUMNS)}
""",
)

# Only for accounts on which nothing was pending.  A row that is still there is due earlier.
INSERT_UPDATES_DUE: Final = Statement(
    "insert_updates_due",
    f"""
INSERT INTO account_update_due (debtor_id, creditor_id, due_at)
SELECT * FROM {_unnest([*ACCOUNT_KEY, "due_at"])}
ON CONFLICT DO NOTHING
""",
)

INSERT_CREDITS: Final = Statement(
    "insert_credits",
    f"""
INSERT INTO registered_balance_change ({", ".join(CREDIT_COLUMNS)})
SELECT * FROM {_unnest(CREDIT_COLUMNS)}
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

FIND_DEBTOR_INFO: Final = """
SELECT debtor_info_id FROM debtor_info
WHERE iri = %(iri)s AND content_type = %(content_type)s AND sha256 = %(sha256)s
"""

# No row: another transaction has registered the same info and is not committed, or just was.
REGISTER_DEBTOR_INFO: Final = """
INSERT INTO debtor_info (iri, content_type, sha256) VALUES (%(iri)s, %(content_type)s, %(sha256)s)
ON CONFLICT DO NOTHING
RETURNING debtor_info_id
"""

INSERT_OUTBOX: Final = Statement(
    "insert_outbox",
    """
INSERT INTO outbox (created_at, publisher_key, type_counts, accounts, payload)
VALUES (%s::int8, %s::int8, %s::jsonb, %s::bytea, %s::bytea)
RETURNING outbox_id, pg_current_xact_id()::xid::text::int8
""",
)

INSERT_DEAD_LETTER: Final = """
INSERT INTO dead_letter (received_at, reason, detail, queue, exchange, routing_key, properties, body,
    body_size, body_sha256)
VALUES (%(now)s, %(reason)s, %(detail)s, %(queue)s, %(exchange)s, %(routing_key)s, %(properties)s, %(body)s,
    %(body_size)s, %(body_sha256)s)
"""

COUNT_OPEN_DEAD_LETTERS: Final = """
SELECT count(*) FROM (SELECT 1 FROM dead_letter WHERE state = 'open' LIMIT %(limit)s) AS open
"""

RECORD_ATTEMPT: Final = """
INSERT INTO delivery_attempt (body_sha256, attempts, last_attempt_at) VALUES (%(digest)s, 1, %(now)s)
ON CONFLICT (body_sha256) DO UPDATE
SET attempts = delivery_attempt.attempts + 1, last_attempt_at = excluded.last_attempt_at
RETURNING attempts
"""

FORGET_ATTEMPTS: Final = "DELETE FROM delivery_attempt WHERE body_sha256 = %(digest)s"


# -- array literals ----------------------------------------------------------------------------
