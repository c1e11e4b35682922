"""Chores about what belongs to other shards: rows that a split has left here, and money on its way.

See rules.md#foreign-accounts.  With DELETE_FOREIGN_RECORDS, what the parent realm owns and this shard does
not is removed without any message; the sibling has it as well.  All else stays, with an alarm.
"""

from logging import getLogger
from typing import Any, Final

from swpt_accounts.rules.flows import KEPT
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.transactions.columns import owned
from swpt_accounts.wire.moments import MICROSECONDS, seconds

from .chore import Position, Progress, StepContext

_HOUR: Final = seconds(3600)
_FOLD: Final = 10_000
_HURRIED_SECONDS: Final = 60.0

# The principals of accounts that go to the sibling are money that has left, so that the sums stay right (V3).
_REMOVE_ACCOUNTS: Final = """
WITH gone AS (
    DELETE FROM account WHERE {range} AND NOT {mine} AND {parents} RETURNING debtor_id, principal
), left_here AS (
    INSERT INTO credit_flow (debtor_id, emitted, applied)
    SELECT debtor_id, sum(principal), 0 FROM gone GROUP BY debtor_id HAVING sum(principal) <> 0)
SELECT count(*) FROM gone
"""

_REMOVE: Final = "DELETE FROM {table} WHERE {range} AND NOT {mine} AND {parents}"
_REMOVE_ROOTS: Final = "DELETE FROM {table} WHERE {debtors} AND NOT {root_mine} AND {root_parents}"

# With the accounts of a stretch goes all that belongs to them.
_TABLES: Final = ("prepared_transfer", "waiting_request", "account_update_due", "settings_due")
_ROOT_TABLES: Final = ("root_configuration", "settings_propagation")

_FIND_END: Final = """
SELECT debtor_id, creditor_id FROM account
WHERE CAST(%(is_first)s AS bool) OR (debtor_id, creditor_id) > (%(debtor_id)s, %(creditor_id)s)
ORDER BY debtor_id, creditor_id LIMIT 1 OFFSET %(limit)s
"""

_COUNT_FOREIGN: Final = "SELECT count(*) FROM account WHERE {range} AND NOT {mine}"

_RANGE: Final = """
((CAST(%(is_first)s AS bool) OR (debtor_id, creditor_id) > (%(debtor_id)s, %(creditor_id)s))
 AND (CAST(%(is_last)s AS bool) OR (debtor_id, creditor_id) <= (%(end_debtor_id)s, %(end_creditor_id)s)))
"""

_DEBTORS: Final = """
((CAST(%(is_first)s AS bool) OR debtor_id >= %(debtor_id)s)
 AND (CAST(%(is_last)s AS bool) OR debtor_id <= %(end_debtor_id)s))
"""

# Rows that say the same become one; a shard alone has none.
_ADD_UP: Final = """
WITH gone AS (
    DELETE FROM credit_flow WHERE flow_id IN (
        SELECT flow_id FROM credit_flow ORDER BY flow_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING debtor_id, committed_slot, emitted, applied
), added AS (
    INSERT INTO credit_flow (debtor_id, committed_slot, emitted, applied)
    SELECT debtor_id, slot, sum(emitted), sum(applied)
    FROM (SELECT *, CASE WHEN committed_slot < %(kept)s THEN 0 ELSE committed_slot END AS slot FROM gone) AS g
    GROUP BY debtor_id, slot RETURNING 1)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM added)
"""

_OLDEST_CREDIT: Final = """
SELECT min(created_at), count(*) FROM outbox
WHERE type_counts ? 'PendingBalanceChange' AND created_at < %s
"""

_logger: Final = getLogger(__name__)


def foreign_rows_period(settings: Settings) -> float:
    """Seconds between two passes: after a split somebody waits for the end of it."""
    if settings.delete_foreign_records:
        return min(_HURRIED_SECONDS, settings.accounts_scan_interval)
    return settings.accounts_scan_interval


def tend_foreign_rows(cursor: Any, position: Position, context: StepContext) -> Progress:
    """Remove, or report, the foreign rows of the accounts behind `position`."""
    realm = context.transaction.policy.realm
    parent = realm.parent()
    if parent is None:
        return Progress(0, None)
    debtor_id, creditor_id = position or (0, 0)
    stretch = {"is_first": position is None, "debtor_id": debtor_id, "creditor_id": creditor_id}
    cursor.execute(_FIND_END, {**stretch, "limit": context.rows})
    end = cursor.fetchone()
    ends = end or (0, 0)
    stretch |= {"is_last": end is None, "end_debtor_id": ends[0], "end_creditor_id": ends[1]}
    texts = {
        "range": _RANGE,
        "debtors": _DEBTORS,
        "mine": owned(realm),
        "parents": owned(parent),
        "root_mine": owned(realm, creditor_id="0"),
        "root_parents": owned(parent, creditor_id="0"),
    }
    handled = 0
    if context.settings.delete_foreign_records:
        cursor.execute(_REMOVE_ACCOUNTS.format(**texts), stretch)
        handled = cursor.fetchone()[0]
        for table in _TABLES:
            cursor.execute(_REMOVE.format(table=table, **texts), stretch)
        for table in _ROOT_TABLES:
            cursor.execute(_REMOVE_ROOTS.format(table=table, **texts), stretch)
    cursor.execute(_COUNT_FOREIGN.format(**texts), stretch)
    if left := cursor.fetchone()[0]:
        _logger.error(
            "ALARM: %d accounts behind debtor %d belong to another shard, and are kept: is this the right"
            " realm, or was DELETE_FOREIGN_RECORDS forgotten?  `swpt-accounts check-shard` shows all of them",
            left,
            debtor_id,
        )
    return Progress(handled, None if end is None else list(end))


def add_up_credits(context: StepContext) -> int:
    """Add up what has left for other shards and come from them; an alarm for money that does not leave."""
    if not context.transaction.policy.realm.bits:
        return 0
    now = context.until
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_ADD_UP, {"limit": _FOLD, "kept": now - KEPT})
        gone, added = cursor.fetchone()
        cursor.execute(_OLDEST_CREDIT, [now - _HOUR])
        oldest, rows = cursor.fetchone()
    if rows:
        _logger.error(
            "ALARM: money for other shards stays in the outbox: %d rows, the oldest since %.0f minutes: does"
            " the other shard's queue exist, and is it bound?",
            rows,
            (now - oldest) / MICROSECONDS / 60,
        )
    return int(gone) if gone == _FOLD and added < gone else 0
