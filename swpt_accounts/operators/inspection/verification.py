"""Checks the invariants V1 to V7 and V9 on the live database (rules.md#invariants).

Each debtor has a snapshot of its own, so that the check of a large database never keeps it from
cleaning up.  The rows stream through a cursor of the server, so that memory does not grow.

V3 is checked only if one shard holds all accounts.  V4 is checked for accounts whose whole life is
in the journal: those that were created since its oldest partition begins, or have an opening balance.
V9 is checked for the latter.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from swpt_accounts.rules.invariants import (
    AccountFacts,
    AnnouncedNumbers,
    Opening,
    Violation,
    stray_transfers,
    unbalanced,
    violations,
)
from swpt_accounts.storage.partitions import journal_start
from swpt_accounts.wire.moments import LAST_MOMENT, Moment
from swpt_accounts.wire.routing import Realm

_FETCH: Final = 2000
_MOST_KEPT: Final = 1000

_NEXT_DEBTOR: Final = """
SELECT least(
    (SELECT min(debtor_id) FROM account WHERE %(first)s OR debtor_id > %(last)s),
    (SELECT min(debtor_id) FROM prepared_transfer WHERE %(first)s OR debtor_id > %(last)s))
"""

_RESTORATIONS: Final = f"SELECT coalesce(finished_at, {LAST_MOMENT}) FROM restoration"  # noqa: S608

_HAS_ENTRIES: Final = "SELECT EXISTS (SELECT 1 FROM journal WHERE debtor_id = %s)"

_TRANSFERS: Final = """
SELECT creditor_id, count(*) AS number, sum(locked_amount) AS locked, max(transfer_id) AS greatest
FROM prepared_transfer WHERE debtor_id = %(debtor_id)s GROUP BY creditor_id
"""

# Both parties of an opening balance are the account; its recipient's side says where it stood.
_ANNOUNCED: Final = """
SELECT creditor_id, created_at, count(*) FILTER (WHERE announced > 0) AS number,
    count(DISTINCT announced) FILTER (WHERE announced > 0) AS distinct_numbers, max(announced) AS greatest,
    sum(moved) AS moved, max(opening_principal) AS opening_principal, max(opening_number) AS opening_number
FROM (
    SELECT sender_creditor_id, sender_created_at, sender_transfer_number, -amount, NULL::int8, NULL::int8
    FROM journal
    WHERE debtor_id = %(debtor_id)s AND sender_creditor_id <> recipient_creditor_id
        AND sender_created_at IS NOT NULL
    UNION ALL
    SELECT recipient_creditor_id, recipient_created_at,
        CASE WHEN sender_creditor_id <> recipient_creditor_id THEN recipient_transfer_number ELSE 0 END,
        amount,
        CASE WHEN sender_creditor_id = recipient_creditor_id THEN recipient_principal END,
        CASE WHEN sender_creditor_id = recipient_creditor_id THEN recipient_transfer_number END
    FROM journal
    WHERE debtor_id = %(debtor_id)s AND recipient_created_at IS NOT NULL
) AS party (creditor_id, created_at, announced, moved, opening_principal, opening_number)
GROUP BY creditor_id, created_at
"""
_NOTHING_ANNOUNCED: Final = """
SELECT 0::int8 AS creditor_id, 0::int8 AS created_at, 0::int8 AS number, 0::int8 AS distinct_numbers,
    0::int8 AS greatest, 0::int8 AS moved, NULL::int8 AS opening_principal, NULL::int8 AS opening_number
WHERE false
"""

_FACTS: Final = """
SELECT coalesce(a.creditor_id, t.creditor_id), a.created_at, a.principal, a.interest, a.interest_rate,
    a.debtor_info_id <> 0, a.deleted, a.overflown, a.last_transfer_number, a.last_transfer_id,
    a.total_locked_amount, a.pending_transfers_count,
    coalesce(t.number, 0), coalesce(t.locked, 0)::text, t.greatest,
    coalesce(j.number, 0), coalesce(j.distinct_numbers, 0), coalesce(j.greatest, 0),
    coalesce(j.moved, 0)::text, j.opening_principal, j.opening_number
FROM (SELECT * FROM account WHERE debtor_id = %(debtor_id)s) AS a
FULL JOIN ({transfers}) AS t ON t.creditor_id = a.creditor_id
LEFT JOIN ({announced}) AS j ON j.creditor_id = a.creditor_id AND j.created_at = a.created_at
"""


class _Row(NamedTuple):
    """What `_FACTS` answers with, in its order; transfers without an account have no `created_at`."""

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
    transfers: int
    locked_amount: str
    greatest_transfer_id: int | None
    announced_number: int
    announced_distinct_numbers: int
    announced_greatest: int
    moved: str
    opening_principal: int | None
    opening_number: int | None


class Verified(msgspec.Struct):
    """What was checked, and what is wrong: the first violations, and how many there are in all."""

    debtors: int = 0
    accounts: int = 0
    numbers_checked: int = 0
    violations: list[Violation] = msgspec.field(default_factory=list)
    violations_count: int = 0
    is_complete: bool = False

    def note(self, violation: Violation) -> None:
        self.violations_count += 1
        if len(self.violations) < _MOST_KEPT:
            self.violations.append(violation)


def verify(
    connection: Any,
    realm: Realm,
    *,
    debtor_ids: Sequence[int] = (),
    is_stopping: Callable[[], bool] = lambda: False,
    reach: Callable[[int], None] = lambda accounts: None,
) -> Verified:
    """Check all currencies, or only some; `is_complete` is False if it was stopped.

    `reach` is told how many accounts were checked.
    """
    verified = Verified()

    def look_around() -> bool:
        reach(verified.accounts)
        return is_stopping()

    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with connection, connection.cursor() as cursor:
        start = journal_start(cursor)
        cursor.execute(_RESTORATIONS)
        restorations = [row[0] for row in cursor.fetchall()]
    debtors = sorted(set(debtor_ids)) if debtor_ids else _all_debtors(connection)
    for debtor_id in debtors:
        with connection:
            if not _verify_debtor(connection, debtor_id, realm, start, restorations, verified, look_around):
                return verified
    verified.is_complete = True
    return verified


def _all_debtors(connection: Any) -> Iterator[int]:
    """Every debtor of an account or a prepared transfer, by jumps in the primary keys."""
    position = {"first": True, "last": 0}
    while True:
        with connection, connection.cursor() as cursor:
            cursor.execute(_NEXT_DEBTOR, position)
            debtor_id = cursor.fetchone()[0]
        if debtor_id is None:
            return
        yield debtor_id
        position = {"first": False, "last": debtor_id}


def _verify_debtor(
    connection: Any,
    debtor_id: int,
    realm: Realm,
    start: Moment | None,
    restorations: Sequence[Moment],
    verified: Verified,
    is_stopping: Callable[[], bool],
) -> bool:
    """Check one currency in one snapshot; False if it was stopped."""
    total, is_overflown = 0, False
    with connection.cursor("verify") as cursor:
        cursor.itersize = _FETCH
        has_entries = _has_entries(connection, debtor_id)
        query = _FACTS.format(
            transfers=_TRANSFERS, announced=_ANNOUNCED if has_entries else _NOTHING_ANNOUNCED
        )
        cursor.execute(query, {"debtor_id": debtor_id})
        for number, row in enumerate(cursor):
            if number % _FETCH == 0 and is_stopping():
                return False
            found = _Row(*row)
            if found.created_at is None:
                verified.note(stray_transfers(debtor_id, found.creditor_id, found.transfers))
                continue
            account = _facts(debtor_id, found, start)
            verified.accounts += 1
            verified.numbers_checked += account.announced is not None
            total += account.principal
            is_overflown = is_overflown or account.is_overflown
            for violation in violations(account, restorations):
                verified.note(violation)
    if realm.bits == 0 and total != 0 and not is_overflown:
        verified.note(unbalanced(debtor_id, total))
    verified.debtors += 1
    return True


def _has_entries(connection: Any, debtor_id: int) -> bool:
    """Whether the journal is worth a look: most debtors of a test, and many quiet ones, have none."""
    with connection.cursor() as cursor:
        cursor.execute(_HAS_ENTRIES, [debtor_id])
        return bool(cursor.fetchone()[0])


def _facts(debtor_id: int, found: _Row, start: Moment | None) -> AccountFacts:
    values = found._asdict()
    announced = AnnouncedNumbers(
        *(
            values.pop(name)
            for name in ("announced_number", "announced_distinct_numbers", "announced_greatest")
        )
    )
    is_whole_life_known = start is not None and found.created_at is not None and found.created_at >= start
    # A sum of bigints is a numeric, which comes as a text.
    values["locked_amount"] = int(found.locked_amount)
    moved, principal, number = (values.pop(name) for name in ("moved", "opening_principal", "opening_number"))
    opening = None if principal is None or number is None else Opening(principal, number, int(moved))
    is_announced = is_whole_life_known or opening is not None
    return AccountFacts(
        debtor_id=debtor_id, announced=announced if is_announced else None, opening=opening, **values
    )
