"""The opening balances that take the place of a month of the journal (rules.md#closed-months).

They are made of the rows of the month, and never of the accounts: a balance that was changed by hand is not
to look right for good.
"""

from collections.abc import Mapping
from typing import Any, Final

from swpt_accounts.rules.invariants import JUMP
from swpt_accounts.rules.openings import OPENING, OVERFLOWN, cut
from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.numbers import MAX_INT64

# What each account has moved in the month, as its parties of this shard see it.  That of an account that has
# seen an overflow in it says nothing.  A restore has raised the numbers by a power of two.
_BEFORE: Final = f"""
CASE WHEN principal - moved BETWEEN {-MAX_INT64} AND {MAX_INT64}
    THEN hashint8extended((principal - moved)::int8, 0) ELSE 1 END
"""
_SIDES: Final = f"""
SELECT j.debtor_id, j.applied_at, j.journal_id, side.* FROM journal AS j, LATERAL (VALUES
    (j.sender_creditor_id, j.sender_created_at, j.sender_transfer_number, j.sender_principal,
     - j.amount::numeric, false, j.coordinator_type <> '{OPENING}', false),
    (j.recipient_creditor_id, j.recipient_created_at, j.recipient_transfer_number, j.recipient_principal,
     j.amount::numeric, j.coordinator_type = '{OPENING}' AND j.amount = 0, true,
     j.coordinator_type = '{OPENING}' AND j.transfer_note = '{OVERFLOWN}')
) AS side (creditor_id, created_at, number, principal, moved, is_opening, is_seen, was_overflown)
WHERE j.applied_at < %(ends)s AND side.created_at IS NOT NULL AND side.is_seen
"""  # noqa: S608 - constants only

_SUMS: Final = f"""
CREATE TEMPORARY TABLE closing ON COMMIT DROP AS
SELECT a.debtor_id, a.creditor_id, a.created_at, coalesce(s.opening_principal, 0)::int8 AS first,
    contained.principal,
    (coalesce(s.opening_number, 0) + coalesce(s.count, 0)
        + div(coalesce(s.number, 0) - coalesce(s.opening_number, 0) - coalesce(s.count, 0), {JUMP}) * {JUMP}
    )::int8 AS number,
    coalesce(s.print, 0) = hashint8extended(contained.principal, 0)
        - hashint8extended(coalesce(s.opening_principal, 0)::int8, 0)::numeric AS is_chain,
    a.overflown AND coalesce(s.has_touched_bound, false) AS has_overflown,
    CASE WHEN s.was_overflown OR a.overflown AND s.has_touched_bound THEN '{OVERFLOWN}' ELSE '' END AS note
FROM account a LEFT JOIN (
    SELECT debtor_id, creditor_id, created_at,
        sum(moved) AS moved, max(number) AS number,
        count(*) FILTER (WHERE NOT is_opening AND number > 0) AS count,
        max(principal) FILTER (WHERE is_opening) AS opening_principal,
        max(number) FILTER (WHERE is_opening) AS opening_number,
        sum(hashint8extended(principal, 0)) FILTER (WHERE NOT is_opening)
            - sum({_BEFORE}) FILTER (WHERE NOT is_opening) AS print,
        bool_or(principal IN ({MAX_INT64}, {-MAX_INT64})) AS has_touched_bound,
        bool_or(was_overflown) AS was_overflown
    FROM ({_SIDES}) AS sides GROUP BY debtor_id, creditor_id, created_at
) AS s ON s.debtor_id = a.debtor_id AND s.creditor_id = a.creditor_id AND s.created_at = a.created_at
CROSS JOIN LATERAL (SELECT greatest({-MAX_INT64}, least({MAX_INT64},
    coalesce(s.opening_principal, 0) + coalesce(s.moved, 0)))::int8 AS principal) AS contained
WHERE (a.created_at >= %(starts)s OR s.opening_principal IS NOT NULL)
    AND (a.created_at < %(ends)s OR s.creditor_id IS NOT NULL)
"""  # noqa: S608 - constants only

# Such rows have ids below zero, so that they come before all that happens at their moment.
_OPEN: Final = f"""
INSERT INTO journal (applied_at, journal_id, debtor_id, sender_creditor_id, recipient_creditor_id, amount,
    sender_principal, recipient_principal, sender_created_at, recipient_created_at, sender_transfer_number,
    recipient_transfer_number, committed_at, transfer_id, coordinator_id, coordinator_request_id,
    coordinator_type, transfer_note_format, transfer_note)
SELECT %(ends)s, {{journal_id}}, debtor_id, creditor_id, creditor_id, {{amount}},
    {{principal}}, {{principal}}, created_at, created_at, {{number}},
    {{number}}, %(ends)s, 0, 0, 0,
    '{OPENING}', '', {{note}}
FROM closing
"""  # noqa: S608 - constants only
_OPENINGS: Final = _OPEN.format(
    journal_id=f"- row_number() OVER () - {1 << 40}",
    amount="0",
    principal="principal",
    number="number",
    note="note",
)
_WHOSE: Final = (
    " WHERE debtor_id = %(debtor_id)s AND creditor_id = %(creditor_id)s AND created_at = %(created_at)s"
)
_BRIDGE: Final = (
    _OPEN.format(
        journal_id="- %(number)s", amount="%(amount)s", principal="%(principal)s", number="0", note="''"
    )
    + _WHOSE
)
_NOT_CHAINS: Final = """
SELECT debtor_id, creditor_id, created_at, first FROM closing WHERE NOT is_chain AND NOT has_overflown
"""
_OF_ACCOUNT: Final = f"""({_SIDES}
    AND j.debtor_id = %(debtor_id)s
    AND (j.sender_creditor_id = %(creditor_id)s OR j.recipient_creditor_id = %(creditor_id)s)) AS sides
{_WHOSE}"""
_ENTRIES: Final = f"""
SELECT (principal - moved)::int8, principal FROM {_OF_ACCOUNT} AND NOT is_opening
"""  # noqa: S608 - constants only
_SET_OPENING: Final = f"UPDATE closing SET principal = %(principal)s {_WHOSE}"  # noqa: S608

# What an overflow has made or lost is in no sum: such an account stands where its last entry has left it.
_OVERFLOWN: Final = "SELECT debtor_id, creditor_id, created_at FROM closing WHERE has_overflown"
_LAST: Final = f"""
SELECT principal FROM {_OF_ACCOUNT} ORDER BY applied_at DESC, journal_id DESC LIMIT 1
"""  # noqa: S608 - constants only


def write_openings(cursor: Any, starts: Moment, ends: Moment) -> int:
    """Write the opening balances, and bridges where the month is no clean cut; how many balances."""
    bounds = {"starts": starts, "ends": ends}
    cursor.execute(_SUMS, bounds)
    _set_overflown(cursor, bounds)
    _bridge(cursor, bounds)
    cursor.execute(_OPENINGS, bounds)
    return int(cursor.rowcount)


def _set_overflown(cursor: Any, bounds: Mapping[str, Moment]) -> None:
    cursor.execute(_OVERFLOWN)
    for debtor_id, creditor_id, created_at in cursor.fetchall():
        whose = {"debtor_id": debtor_id, "creditor_id": creditor_id, "created_at": created_at, **bounds}
        cursor.execute(_LAST, whose)
        cursor.execute(_SET_OPENING, whose | {"principal": cursor.fetchone()[0]})


def _bridge(cursor: Any, bounds: Mapping[str, Moment]) -> None:
    """Write a row for each gap in what stays, and open where it begins."""
    cursor.execute(_NOT_CHAINS)
    number = 0
    for debtor_id, creditor_id, created_at, first in cursor.fetchall():
        whose = {"debtor_id": debtor_id, "creditor_id": creditor_id, "created_at": created_at, **bounds}
        cursor.execute(_ENTRIES, whose)
        found = cut(first, cursor.fetchall())
        cursor.execute(_SET_OPENING, whose | {"principal": found.principal})
        for before, behind in found.bridges:
            number += 1
            bridge = {"number": number, "amount": behind - before, "principal": behind}
            cursor.execute(_BRIDGE, whose | bridge)
