"""The SQL by which a transaction locks and reads: each statement has a name and a purpose."""

# ruff: noqa: S608 - the texts are put together from constants only.

from typing import Final

from swpt_accounts.storage.prepared import Statement

from .columns import (
    ACCOUNT_KEY,
    ACCOUNT_ROW,
    CREDIT_COLUMNS,
    CREDIT_KEY,
    REQUEST_KEY,
    TRANSFER_COLUMNS,
    TRANSFER_KEY,
    WAITING_COLUMNS,
    prefixed,
    unnest,
)

# The one place where accounts are locked: always in ascending order of their keys.  The answer is one row:
# how many are of the version that is known already, and the others as text.
LOCK_ACCOUNTS: Final = Statement(
    "lock_accounts",
    f"""
WITH locked AS MATERIALIZED (
    SELECT CASE WHEN account.xmin <> k.version THEN {ACCOUNT_ROW} END AS text
    FROM {unnest([*ACCOUNT_KEY, "version"])} JOIN account USING (debtor_id, creditor_id)
    ORDER BY account.debtor_id, account.creditor_id
    FOR NO KEY UPDATE OF account)
SELECT count(*) FILTER (WHERE text IS NULL), string_agg(text, ',') FROM locked
""",
)

# Nothing changes a prepared transfer but its end, and reminders.
LOAD_TRANSFERS: Final = Statement(
    "load_transfers",
    f"""
SELECT {prefixed(TRANSFER_COLUMNS, "p")}
FROM {unnest(TRANSFER_KEY)} JOIN prepared_transfer p USING (debtor_id, creditor_id, transfer_id)
""",
)

# The prepared transfers that earlier deliveries of the same requests have made, under the locks of their
# senders.
LOAD_REPEATED: Final = Statement(
    "load_repeated",
    f"""
SELECT {prefixed(TRANSFER_COLUMNS, "p")}
FROM {unnest(REQUEST_KEY)}
JOIN prepared_transfer p USING ({", ".join(REQUEST_KEY)})
""",
)

# Earlier deliveries of the same requests that wait for another shard.
LOAD_WAITING: Final = Statement(
    "load_waiting",
    f"""
SELECT {prefixed(WAITING_COLUMNS, "w")}
FROM {unnest(REQUEST_KEY)}
JOIN waiting_request w USING ({", ".join(REQUEST_KEY)})
""",
)

# Which recipients accept transfers.  They are not locked: nothing is changed on them yet.
FIND_REACHABLE: Final = Statement(
    "find_reachable",
    f"""
SELECT a.debtor_id, a.creditor_id
FROM {unnest(ACCOUNT_KEY)} JOIN account a USING (debtor_id, creditor_id)
WHERE NOT a.deleted AND a.config_flags & 1 = 0
""",
)

# Which accounts can still receive a prepared transfer of this shard.
FIND_INCOMING: Final = Statement(
    "find_incoming",
    f"""
SELECT k.debtor_id, k.creditor_id FROM {unnest(ACCOUNT_KEY)}
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
FROM {unnest(["debtor_id"])}
JOIN account a ON a.debtor_id = k.debtor_id AND a.creditor_id = 0
LEFT JOIN root_configuration r ON r.debtor_id = k.debtor_id
""",
)

# The settings of debtors whose root account is on another shard, as they were read from there.
LOAD_FOREIGN_CURRENCIES: Final = Statement(
    "load_foreign_currencies",
    f"""
SELECT f.debtor_id, f.config_data
FROM {unnest(["debtor_id"])}
JOIN foreign_currency f USING (debtor_id)
WHERE f.config_data IS NOT NULL AND f.read_at BETWEEN %s::int8 AND %s::int8
""",
)

# A transaction that has an id is waited for by the propagation of settings (see chores).
GET_TRANSACTION_ID: Final = "SELECT pg_current_xact_id()"

LOAD_CREDITS: Final = Statement(
    "load_credits",
    f"""
SELECT {prefixed(CREDIT_COLUMNS, "r")}
FROM {unnest(CREDIT_KEY)} JOIN registered_balance_change r USING (debtor_id, other_creditor_id, change_id)
""",
)
