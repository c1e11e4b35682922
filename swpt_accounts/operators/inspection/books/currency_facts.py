"""What the tables say of the accounts of one currency, beside each other, for `verification`.

The journal is read once, and added up by the database, which puts on its disk what does not fit into the
memory of a session.  Whether entries follow from each other is told by sums as well: in a chain every
principal but the first and the last is both the end of one entry and the beginning of another, so that the
sum of hashes of all ends less that of all beginnings leaves only those two, in whatever order entries are
read.  Only where a sum does not fit, the entries of that account are looked at one by one.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from swpt_accounts.rules.invariants import AccountFacts, AnnouncedNumbers, Ledger, Opening
from swpt_accounts.rules.node import SlotFlow
from swpt_accounts.rules.openings import OPENING, OVERFLOWN
from swpt_accounts.wire.moments import Moment, render_timestamp
from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64

FETCHED_ROWS: Final = 2000

# So much memory a step of a query may take; what is more goes to the disk.
_BOUNDS: Final = "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"

_HAS_ENTRIES: Final = "SELECT EXISTS (SELECT 1 FROM journal WHERE debtor_id = %s)"

_TRANSFERS: Final = """
SELECT creditor_id, count(*) AS number, sum(locked_amount) AS locked, max(transfer_id) AS greatest
FROM prepared_transfer WHERE debtor_id = %(debtor_id)s GROUP BY creditor_id
"""

# Each entry as its parties of this shard see it.  Both parties of an opening balance are the account, and
# its recipient's side says where it stood; one that moves an amount bridges a gap (rules/openings.py).
_SIDES: Final = f"""
FROM journal AS j, LATERAL (VALUES
    (j.sender_creditor_id, j.sender_created_at, j.sender_transfer_number, j.sender_principal,
     - greatest(j.amount, {-MAX_INT64}), false, j.coordinator_type <> '{OPENING}', false),
    (j.recipient_creditor_id, j.recipient_created_at, j.recipient_transfer_number, j.recipient_principal,
     j.amount, j.coordinator_type = '{OPENING}' AND j.amount = 0, true,
     j.coordinator_type = '{OPENING}' AND j.transfer_note = '{OVERFLOWN}')
) AS side (creditor_id, created_at, number, principal, moved, is_opening, is_seen, was_overflown)
WHERE j.debtor_id = %(debtor_id)s AND j.applied_at >= %(since)s AND side.created_at IS NOT NULL
    AND side.is_seen
"""

# No principal that somebody has written is to end the query by an overflow.
_BEFORE: Final = f"""CASE WHEN moved > 0 AND principal < {-MAX_INT64} + moved
    OR moved < 0 AND principal > {MAX_INT64} + moved
    THEN NULL ELSE principal - moved END"""

_ENTRIES: Final = f"""
SELECT creditor_id, created_at, count(*) FILTER (WHERE is_transfer AND number > 0) AS number,
    sum(hashint8extended(number, 0)) FILTER (WHERE is_transfer AND number > 0)
        - sum(hashint8extended(number - 1, 0)) FILTER (WHERE is_transfer AND number > 0) AS numbers_print,
    max(number) FILTER (WHERE is_transfer) AS greatest,
    sum(moved) AS moved,
    sum(hashint8extended(principal, 0)) FILTER (WHERE is_transfer)
        - sum(coalesce(hashint8extended(before, 0), 1)) FILTER (WHERE is_transfer) AS principals_print,
    bool_or(principal IN ({MAX_INT64}, {-MAX_INT64}) OR was_overflown) AS has_touched_bound,
    max(principal) FILTER (WHERE NOT is_transfer) AS opening_principal,
    max(number) FILTER (WHERE NOT is_transfer) AS opening_number
FROM (
    SELECT creditor_id, created_at, number, principal, moved, was_overflown, NOT is_opening AS is_transfer,
        {_BEFORE} AS before
    {_SIDES}
) AS sides
GROUP BY creditor_id, created_at
"""  # noqa: S608 - constants only

_NO_ENTRIES: Final = """
SELECT 0::int8 AS creditor_id, 0::int8 AS created_at, 0::int8 AS number, 0::numeric AS numbers_print,
    0::int8 AS greatest, 0::numeric AS moved, 0::numeric AS principals_print, false AS has_touched_bound,
    NULL::int8 AS opening_principal, NULL::int8 AS opening_number
WHERE false
"""

_COUNT_NUMBERS: Final = """
(SELECT count(DISTINCT number) FROM (
    SELECT sender_transfer_number FROM journal WHERE debtor_id = %(debtor_id)s
        AND sender_creditor_id = a.creditor_id AND sender_created_at = a.created_at
        AND sender_creditor_id <> recipient_creditor_id AND applied_at >= %(since)s
    UNION ALL
    SELECT recipient_transfer_number FROM journal WHERE debtor_id = %(debtor_id)s
        AND recipient_creditor_id = a.creditor_id AND recipient_created_at = a.created_at
        AND sender_creditor_id <> recipient_creditor_id AND applied_at >= %(since)s
 ) AS numbers (number) WHERE number > 0)
"""

_FACTS: Final = f"""
SELECT coalesce(a.creditor_id, t.creditor_id, j.creditor_id), a.created_at, a.principal, a.interest,
    a.interest_rate, a.debtor_info_id <> 0, a.deleted, a.overflown, a.last_transfer_number,
    a.last_transfer_id, a.total_locked_amount, a.pending_transfers_count,
    a.update_pending_since <> 0, d.creditor_id IS NOT NULL,
    coalesce(t.number, 0), coalesce(t.locked, 0)::text, t.greatest,
    coalesce(j.number, 0),
    CASE WHEN a.created_at IS NULL OR coalesce(j.numbers_print, 0)
            = hashint8extended(a.last_transfer_number, 0)
            - hashint8extended(coalesce(j.opening_number, 0), 0)::numeric
        THEN coalesce(j.number, 0) ELSE {_COUNT_NUMBERS} END,
    coalesce(j.greatest, 0),
    coalesce(j.moved, 0)::text,
    coalesce(j.principals_print, 0) = hashint8extended(coalesce(a.principal, 0), 0)
        - hashint8extended(coalesce(j.opening_principal, 0), 0)::numeric,
    coalesce(j.has_touched_bound, false), j.opening_principal, j.opening_number, j.created_at
FROM (SELECT * FROM account WHERE debtor_id = %(debtor_id)s) AS a
FULL JOIN ({_TRANSFERS}) AS t ON t.creditor_id = a.creditor_id
FULL JOIN ({{entries}}) AS j ON j.creditor_id = a.creditor_id AND j.created_at = a.created_at
LEFT JOIN account_update_due AS d
    ON d.debtor_id = %(debtor_id)s AND d.creditor_id = a.creditor_id
"""  # noqa: S608 - constants only

_REPEATED: Final = """
SELECT sender_creditor_id, transfer_id, count(*) FROM journal
WHERE debtor_id = %s AND transfer_id <> 0
GROUP BY sender_creditor_id, transfer_id, recipient_creditor_id, coordinator_type HAVING count(*) > 1
ORDER BY 1, 2 LIMIT 1000
"""

_FLOWS: Final = """
SELECT committed_slot, sum(emitted), sum(applied) FROM credit_flow
WHERE debtor_id = %s GROUP BY committed_slot ORDER BY committed_slot
"""

_FIRST_BREAK: Final = f"""
SELECT applied_at, journal_id, before, previous FROM (
    SELECT applied_at, journal_id, is_opening, {_BEFORE} AS before,
        lag(principal, 1, 0::int8) OVER (ORDER BY applied_at, journal_id) AS previous
    {_SIDES} AND side.creditor_id = %(creditor_id)s AND side.created_at = %(created_at)s
        AND (j.sender_creditor_id = %(creditor_id)s OR j.recipient_creditor_id = %(creditor_id)s)
) AS steps
WHERE NOT is_opening AND before IS DISTINCT FROM previous ORDER BY applied_at, journal_id LIMIT 1
"""  # noqa: S608 - constants only


class CurrencyRow(NamedTuple):
    """What `_FACTS` answers with, in its order.

    Transfers without an account, and entries of one that is gone, have no `created_at`.
    """

    creditor_id: int
    created_at: Moment | None
    principal: int
    interest: float
    interest_rate: float
    has_debtor_info: bool
    is_deleted: bool
    is_overflown: bool
    last_transfer_number: int
    last_transfer_id: int
    total_locked_amount: int
    pending_transfers_count: int
    is_update_pending: bool
    is_update_due: bool
    transfers: int
    locked_amount: str
    greatest_transfer_id: int | None
    announced_number: int
    announced_distinct_numbers: int
    announced_greatest: int
    moved: str
    is_chain: bool
    has_touched_bound: bool
    opening_principal: int | None
    opening_number: int | None
    entries_created_at: Moment | None

    def is_known_since(self, start: Moment | None) -> bool:
        """Whether the journal, which begins at `start`, has all that was moved, or an opening balance."""
        created_at = self.entries_created_at if self.created_at is None else self.created_at
        is_younger = start is not None and created_at is not None and created_at >= start
        return is_younger or self.opening_principal is not None


def read_currency(connection: Any, debtor_id: int, since: Moment = MIN_INT64) -> Iterator[CurrencyRow]:
    """The rows of a currency, from a cursor of the database, in the transaction at hand.

    Of the journal only what was applied from `since` on, as if it began there.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS)
        cursor.execute(_HAS_ENTRIES, [debtor_id])
        has_entries = cursor.fetchone()[0]
    with connection.cursor("verify") as cursor:
        cursor.itersize = FETCHED_ROWS
        # Most debtors of a test, and many quiet ones, have no entries.
        cursor.execute(
            _FACTS.format(entries=_ENTRIES if has_entries else _NO_ENTRIES),
            {"debtor_id": debtor_id, "since": since},
        )
        yield from map(CurrencyRow._make, cursor)


def read_repeated(connection: Any, debtor_id: int) -> list[tuple[int, int, int]]:
    """Transfers that the journal has more than once: sender, transfer id, how often."""
    with connection.cursor() as cursor:
        cursor.execute(_REPEATED, [debtor_id])
        found: list[tuple[int, int, int]] = cursor.fetchall()
        return found


def read_flows(connection: Any, debtor_id: int) -> list[SlotFlow]:
    """What has left for other shards and come from them, by the slot of the commitment."""
    with connection.cursor() as cursor:
        cursor.execute(_FLOWS, [debtor_id])
        return [SlotFlow(slot, int(emitted), int(applied)) for slot, emitted, applied in cursor]


def find_break(connection: Any, debtor_id: int, creditor_id: int, created_at: Moment) -> str:
    """The first entry of an account, in the order of time, that does not follow from the one before."""
    account = {
        "debtor_id": debtor_id,
        "creditor_id": creditor_id,
        "created_at": created_at,
        "since": MIN_INT64,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_BREAK, account)
        found = cursor.fetchone()
    if found is None:
        return "its entries follow from each other"
    applied_at, journal_id, before, previous = found
    return (
        f"first at the entry {journal_id} of {render_timestamp(applied_at)}, which goes on from {before}"
        f" and not from {previous}"
    )


def account_facts(debtor_id: int, found: CurrencyRow, start: Moment | None) -> AccountFacts:
    """The facts about an account; the journal begins at `start`."""
    assert found.created_at is not None, "there is an account"
    announced = ledger = opening = None
    if found.is_known_since(start):
        announced = AnnouncedNumbers(
            found.announced_number, found.announced_distinct_numbers, found.announced_greatest
        )
        ledger = Ledger(
            moved=int(found.moved), is_chain=found.is_chain, has_touched_bound=found.has_touched_bound
        )
    if found.opening_principal is not None and found.opening_number is not None:
        opening = Opening(found.opening_principal, found.opening_number)
    return AccountFacts(
        debtor_id=debtor_id,
        creditor_id=found.creditor_id,
        created_at=found.created_at,
        principal=found.principal,
        interest=found.interest,
        interest_rate=found.interest_rate,
        has_debtor_info=found.has_debtor_info,
        is_deleted=found.is_deleted,
        is_overflown=found.is_overflown,
        last_transfer_number=found.last_transfer_number,
        last_transfer_id=found.last_transfer_id,
        total_locked_amount=found.total_locked_amount,
        pending_transfers_count=found.pending_transfers_count,
        transfers=found.transfers,
        # A sum of bigints is a numeric, which comes as a text.
        locked_amount=int(found.locked_amount),
        greatest_transfer_id=found.greatest_transfer_id,
        announced=announced,
        ledger=ledger,
        opening=opening,
        is_update_pending=found.is_update_pending,
        is_update_due=found.is_update_due,
    )
