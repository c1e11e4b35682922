"""A database in which much has happened already: neighbours of the active accounts, and old journal rows.

SQL makes them, because a million messages would take minutes, and ten million transfers an hour.
"""

from typing import Any, Final

import psycopg2

from .load import FIRST_CREDITOR

DEBTOR: Final = 1 << 32

# The physical order is not the order of the keys, as it is where people open accounts when they like:
# so the active accounts lie in pages of their own.  Everything that a transfer moves is zero, and
# nothing is due soon.
_ACCOUNTS: Final = """
INSERT INTO account (
    debtor_id, creditor_id, created_at, interest_rate, previous_interest_rate, last_interest_rate_change_ts,
    last_capitalization_ts, last_config_ts, last_config_seqnum, last_config_applied_at, negligible_amount,
    config_flags, debtor_info_id, last_deletion_ts, announced_settings, deleted, overflown,
    last_change_seqnum, last_change_ts, principal, interest, last_transfer_number,
    last_transfer_committed_at, last_transfer_id, total_locked_amount, pending_transfers_count,
    last_update_ts, last_delayed_update_ts, update_pending_since)
SELECT %(debtor)s, %(first)s + n, t, 0, 0, 0, t, t, 1, t, 0, 0, 0, 0, 0, false, false,
    1, t, 0, 0, 0, 0, (t / 86400000000) << 40, 0, 0, t, t, 0
FROM (SELECT n, (extract(epoch FROM now()) * 1000000)::bigint AS t
    FROM generate_series(0, %(number)s - 1) AS n ORDER BY hashint8(n)) AS made
"""

_JOURNAL: Final = """
INSERT INTO journal (
    applied_at, debtor_id, sender_creditor_id, recipient_creditor_id, amount, sender_principal,
    recipient_principal, sender_created_at, recipient_created_at, sender_transfer_number,
    recipient_transfer_number, committed_at, transfer_id, coordinator_id, coordinator_request_id,
    coordinator_type, transfer_note_format, transfer_note)
SELECT t + n, %(debtor)s, %(first)s + (random() * %(accounts)s)::bigint,
    %(first)s + (random() * %(accounts)s)::bigint, 1, 1, 1, t, t, n, n, t + n, n, %(first)s + n, n,
    'direct', '', n::text
FROM generate_series(%(start)s, %(start)s + %(number)s - 1) AS n,
    (SELECT (extract(epoch FROM date_trunc('month', now(), 'UTC')) * 1000000)::bigint AS t) AS month
"""

_PART: Final = 1_000_000


def make_accounts(postgres_url: str, number: int) -> None:
    """Accounts of one currency; the generator will configure its own among them anew."""
    _run(postgres_url, _ACCOUNTS, {"debtor": DEBTOR, "first": FIRST_CREDITOR, "number": number})
    _run(postgres_url, "VACUUM ANALYZE account", {})


def make_journal(postgres_url: str, number: int, accounts: int) -> None:
    """Rows of this month, for the same accounts."""
    for start in range(0, number, _PART):
        parameters = {
            "debtor": DEBTOR,
            "first": FIRST_CREDITOR,
            "accounts": accounts,
            "start": start,
            "number": min(_PART, number - start),
        }
        _run(postgres_url, _JOURNAL, parameters)
    _run(postgres_url, "VACUUM ANALYZE journal", {})
    _run(postgres_url, "CHECKPOINT", {})


def _run(postgres_url: str, statement: str, parameters: dict[str, Any]) -> None:
    connection = psycopg2.connect(postgres_url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
    finally:
        connection.close()
