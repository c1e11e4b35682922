"""What must be true of a database and of all that was published (rules.md#invariants)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from swpt_accounts.storage import connections

# Each finds what breaks a rule, and an empty answer is good.
_INVARIANTS = {
    "V1 and V2: locks are the sums of prepared transfers": """
        SELECT a.debtor_id, a.creditor_id, a.total_locked_amount, a.pending_transfers_count,
               sum(p.locked_amount), count(p)
        FROM account a LEFT JOIN prepared_transfer p USING (debtor_id, creditor_id)
        GROUP BY a.debtor_id, a.creditor_id
        HAVING a.pending_transfers_count <> count(p)
            OR a.total_locked_amount <> least(coalesce(sum(p.locked_amount), 0), 9223372036854775807)
    """,
    "every prepared transfer has a sender": """
        SELECT p.debtor_id, p.creditor_id, p.transfer_id
        FROM prepared_transfer p LEFT JOIN account a USING (debtor_id, creditor_id)
        WHERE a.debtor_id IS NULL OR p.transfer_id > a.last_transfer_id
    """,
    "V3: principals sum to zero": """
        SELECT debtor_id, sum(principal) FROM account GROUP BY debtor_id HAVING sum(principal) <> 0
    """,
    "the journal explains every principal": """
        SELECT debtor_id, creditor_id, principal, coalesce(moved, 0) FROM account LEFT JOIN (
            SELECT debtor_id, creditor_id, sum(amount) AS moved FROM (
                SELECT debtor_id, sender_creditor_id AS creditor_id, -amount AS amount FROM journal
                UNION ALL SELECT debtor_id, recipient_creditor_id, amount FROM journal) AS sides
            GROUP BY debtor_id, creditor_id) AS totals USING (debtor_id, creditor_id)
        WHERE principal <> coalesce(moved, 0)
    """,
    "no transfer is in the journal twice, or still prepared": """
        SELECT debtor_id, sender_creditor_id, transfer_id FROM journal WHERE transfer_id <> 0
        GROUP BY debtor_id, sender_creditor_id, transfer_id HAVING count(*) > 1
        UNION ALL
        SELECT p.debtor_id, p.creditor_id, p.transfer_id FROM prepared_transfer p JOIN journal j
        ON j.debtor_id = p.debtor_id AND j.sender_creditor_id = p.creditor_id
            AND j.transfer_id = p.transfer_id
    """,
    "every pending announcement is scheduled": """
        SELECT debtor_id, creditor_id FROM account a LEFT JOIN account_update_due d
        USING (debtor_id, creditor_id)
        WHERE a.update_pending_since <> 0 AND d.debtor_id IS NULL
    """,
    "nothing waits": """
        SELECT 'outbox', count(*) FROM outbox HAVING count(*) > 0
        UNION ALL SELECT 'account_update_due', count(*) FROM account_update_due HAVING count(*) > 0
        UNION ALL SELECT 'delivery_attempt', count(*) FROM delivery_attempt HAVING count(*) > 0
        UNION ALL SELECT 'dead_letter', count(*) FROM dead_letter HAVING count(*) > 0
    """,
}


def find_violations(postgres_url: str) -> list[tuple[str, Any]]:
    """Every row that breaks an invariant, after all work is done."""
    found = []
    with (
        connections.session(postgres_url, "an audit") as connection,
        connection,
        connection.cursor() as cursor,
    ):
        for name, query in _INVARIANTS.items():
            cursor.execute(query)
            found += [(name, row) for row in cursor.fetchall()]
    return found


def chains(events: Iterable[Mapping[str, Any]]) -> dict[tuple[int, int], list[Mapping[str, Any]]]:
    """The AccountTransfers of each account by number; a repeated one must say the same.

    Fails unless each chain is 1, 2, 3 … without gaps, and each principal is the one before plus
    what was acquired.
    """
    found: dict[tuple[int, int], dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for event in events:
        if event["type"] == "AccountTransfer":
            chain = found[event["debtor_id"], event["creditor_id"]]
            known = chain.setdefault(event["transfer_number"], event)
            assert known == event, "two AccountTransfers with one number differ"
    ordered = {key: [chain[number] for number in sorted(chain)] for key, chain in found.items()}
    for key, transfers in ordered.items():
        principal = 0
        for place, transfer in enumerate(transfers, start=1):
            assert transfer["transfer_number"] == place, f"{key}: the chain has a gap at {place}"
            assert transfer["previous_transfer_number"] == place - 1
            principal += transfer["acquired_amount"]
            assert transfer["principal"] == principal, f"{key}: wrong principal in {place}"
    return ordered


def finalized_once(events: Iterable[Mapping[str, Any]]) -> dict[tuple[int, int, int], Mapping[str, Any]]:
    """The FinalizedTransfers by transfer; repetitions are allowed, and must say the same."""
    found: dict[tuple[int, int, int], Mapping[str, Any]] = {}
    for event in events:
        if event["type"] == "FinalizedTransfer":
            key = event["debtor_id"], event["creditor_id"], event["transfer_id"]
            assert found.setdefault(key, event) == event, "two FinalizedTransfers of one transfer differ"
    return found
