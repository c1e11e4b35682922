"""Chore: counts the accounts and the money of each currency, for lists and metrics of operators.

A currency is counted by one statement, which is one snapshot: only so do the principals add up while
transfers go on.
"""

from typing import Any, Final

from .chore import Position, Progress, StepContext

# Small currencies are counted together, a big one alone.
_READ: Final = 10_000

# The one statement that may read a whole table: along the index, a million accounts take ten times as long.
_ALLOW_SCAN: Final = "SET LOCAL enable_seqscan = on"

_FIND_END: Final = """
SELECT debtor_id FROM account WHERE %(is_first)s OR debtor_id > CAST(%(position)s AS int8)
ORDER BY debtor_id, creditor_id LIMIT 1 OFFSET %(limit)s
"""

_IN_RANGE: Final = """
(%(is_first)s OR debtor_id > CAST(%(position)s AS int8))
AND (CAST(%(end)s AS int8) IS NULL OR debtor_id <= CAST(%(end)s AS int8))
"""

_SUMMARIZE: Final = f"""
INSERT INTO debtor_summary (debtor_id, summarized_at, accounts, deleted_accounts, overflown_accounts, issued,
    principals, locked, prepared_transfers)
SELECT debtor_id, %(now)s, count(*) FILTER (WHERE NOT deleted AND creditor_id <> 0),
    count(*) FILTER (WHERE deleted), count(*) FILTER (WHERE overflown),
    coalesce(-sum(principal) FILTER (WHERE creditor_id = 0), 0), sum(principal), sum(total_locked_amount),
    sum(pending_transfers_count)
FROM account WHERE {_IN_RANGE}
GROUP BY debtor_id
ON CONFLICT (debtor_id) DO UPDATE SET summarized_at = excluded.summarized_at, accounts = excluded.accounts,
    deleted_accounts = excluded.deleted_accounts, overflown_accounts = excluded.overflown_accounts,
    issued = excluded.issued, principals = excluded.principals, locked = excluded.locked,
    prepared_transfers = excluded.prepared_transfers
"""  # noqa: S608 - constants only

# Currencies of which the last account was purged.
_REMOVE: Final = f"DELETE FROM debtor_summary WHERE {_IN_RANGE} AND summarized_at <> %(now)s"  # noqa: S608


def summarize_debtors(cursor: Any, position: Position, context: StepContext) -> Progress:
    """Count the next currencies, whole ones only."""
    values = {"is_first": position is None, "position": position or 0, "now": context.transaction.clock()}
    cursor.execute(_FIND_END, {**values, "limit": _READ})
    row = cursor.fetchone()
    values["end"] = None if row is None else row[0]
    cursor.execute(_ALLOW_SCAN)
    cursor.execute(_SUMMARIZE, values)
    counted = cursor.rowcount
    cursor.execute(_REMOVE, values)
    return Progress(counted, values["end"])
