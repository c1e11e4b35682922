"""Checks the invariants V1 to V7 and V9 to V16 on the live database (rules.md#invariants).

Each debtor has a snapshot of its own, so that the check of a large database never keeps it from
cleaning up.  The rows stream through a cursor of the server, so that memory does not grow.

V3 counts what has left for other shards and come from them (`credit_flow`).  V4, V9, V10 and V12 are checked
for accounts whose whole life is in the journal: those that were created since its oldest partition begins, or
have an opening balance.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from psycopg2.errors import DataCorrupted, IndexCorrupted

from swpt_accounts.rules.invariants import (
    Violation,
    lost_account,
    repeated_transfer,
    stray_transfers,
    unbalanced,
    violations,
)
from swpt_accounts.rules.node import CurrencySums, SlotFlow
from swpt_accounts.runtime.errors import first_line
from swpt_accounts.storage.partitions import journal_start
from swpt_accounts.wire.moments import LAST_MOMENT, Moment
from swpt_accounts.wire.routing import Realm

from .currency_facts import (
    FETCHED_ROWS,
    CurrencyRow,
    account_facts,
    find_break,
    read_currency,
    read_flows,
    read_repeated,
)
from .loose_ends import check_outbox, check_registry
from .seals import check_seals

_MOST_KEPT: Final = 1000
_MOST_LOCATED: Final = 20

_NEXT_DEBTOR: Final = """
SELECT least(
    (SELECT min(debtor_id) FROM account WHERE %(first)s OR debtor_id > %(last)s),
    (SELECT min(debtor_id) FROM prepared_transfer WHERE %(first)s OR debtor_id > %(last)s),
    (SELECT min(debtor_id) FROM credit_flow WHERE %(first)s OR debtor_id > %(last)s))
"""

_RESTORATIONS: Final = f"SELECT coalesce(finished_at, {LAST_MOMENT}) FROM restoration"  # noqa: S608


class Verified(msgspec.Struct):
    """What was checked, and what is wrong: the first violations, and how many there are in all."""

    debtors: int = 0
    accounts: int = 0
    numbers_checked: int = 0
    outbox_rows: int = 0
    credits: int = 0
    sealed_rows: int = 0
    foreign_accounts: int = 0
    """Accounts of the sibling, which a split has left here."""

    sums: list[CurrencySums] = msgspec.field(default_factory=list)
    """The money of the currencies that are on several shards, for the books of the node."""

    violations: list[Violation] = msgspec.field(default_factory=list)
    violations_count: int = 0
    debtor_id: int | None = None
    """The currency that is being checked."""

    is_complete: bool = False

    def note(self, violation: Violation) -> None:
        self.violations_count += 1
        if len(self.violations) < _MOST_KEPT:
            self.violations.append(violation)


class _Check(msgspec.Struct, frozen=True):
    """What the check of a currency needs to know."""

    connection: Any
    realm: Realm
    start: Moment | None
    restorations: Sequence[Moment]
    verified: Verified
    is_stopping: Callable[[], bool]


def verify(
    connection: Any,
    realm: Realm,
    *,
    debtor_ids: Sequence[int] = (),
    first_debtor_id: int | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
    reach: Callable[[int], None] = lambda accounts: None,
    verified: Verified | None = None,
) -> Verified:
    """Check all currencies, or only some; `is_complete` is False if it was stopped.

    `first_debtor_id` is where a check that was stopped goes on.  `reach` is told how many accounts were
    checked; `verified` may be watched meanwhile.
    A page that the database finds damaged is a violation, and ends the check of its currency.
    """
    found = verified = verified or Verified()

    def look_around() -> bool:
        reach(found.accounts)
        return is_stopping()

    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with connection, connection.cursor() as cursor:
        start = journal_start(cursor)
        cursor.execute(_RESTORATIONS)
        restorations = [row[0] for row in cursor.fetchall()]
    check = _Check(connection, realm, start, restorations, verified, look_around)
    debtors = sorted(set(debtor_ids)) if debtor_ids else _all_debtors(connection, first_debtor_id)
    verified.is_complete = _guarded(verified, lambda: _verify_debtors(check, debtors))
    verified.debtor_id = None
    if verified.is_complete:
        verified.is_complete = _guarded(verified, lambda: _verify_loose_ends(check, debtor_ids))
    return verified


def _verify_debtors(check: _Check, debtors: Iterable[int]) -> bool:
    """Check one currency after the other; False if it was stopped."""
    for debtor_id in debtors:
        check.verified.debtor_id = debtor_id
        if not _guarded(check.verified, partial(_verify_debtor, check, debtor_id)):
            return False
    return True


def _guarded(verified: Verified, check: Callable[[], bool]) -> bool:
    """Do a check; a file of the database that cannot be read is what is wrong, and no reason to stop."""
    try:
        return check()
    except (DataCorrupted, IndexCorrupted) as error:
        text = f"the database cannot read its own files: {first_line(error)}"
        verified.note(Violation("damaged", verified.debtor_id, None, text))
        return True


def _all_debtors(connection: Any, first_debtor_id: int | None) -> Iterator[int]:
    """Every debtor of an account or a prepared transfer, by jumps in the primary keys."""
    position = {"first": True, "last": 0}
    if first_debtor_id is not None:
        yield first_debtor_id
        position = {"first": False, "last": first_debtor_id}
    while True:
        with connection, connection.cursor() as cursor:
            cursor.execute(_NEXT_DEBTOR, position)
            debtor_id = cursor.fetchone()[0]
        if debtor_id is None:
            return
        yield debtor_id
        position = {"first": False, "last": debtor_id}


def _verify_debtor(check: _Check, debtor_id: int) -> bool:
    """Check one currency in one snapshot; False if it was stopped."""
    total, is_overflown, verified, owns = 0, False, check.verified, check.realm.owns
    to_locate: dict[int, CurrencyRow] = {}
    with check.connection:
        for number, found in enumerate(read_currency(check.connection, debtor_id)):
            if number % FETCHED_ROWS == 0 and check.is_stopping():
                return False
            if found.created_at is None:
                _note_absent(check, debtor_id, found)
                continue
            account = account_facts(debtor_id, found, check.start)
            verified.accounts += 1
            verified.numbers_checked += account.announced is not None
            total += account.principal
            is_overflown = is_overflown or account.is_overflown
            if not owns(debtor_id, account.creditor_id):
                verified.foreign_accounts += 1
                # The sibling has the account, and announces it; what was due here is forgotten.
                account = msgspec.structs.replace(account, is_update_pending=False)
            for violation in violations(account, check.restorations):
                verified.note(violation)
                if violation.rule in ("V9", "V10") and len(to_locate) < _MOST_LOCATED:
                    to_locate[found.creditor_id] = found
        for sender_id, transfer_id, times in read_repeated(check.connection, debtor_id):
            verified.note(repeated_transfer(debtor_id, sender_id, transfer_id, times))
        _locate(check, debtor_id, to_locate)
        flows = read_flows(check.connection, debtor_id)
    _add_up(check, debtor_id, total, flows, is_overflown=is_overflown)
    verified.debtors += 1
    return True


def _add_up(
    check: _Check, debtor_id: int, total: int, flows: Sequence[SlotFlow], *, is_overflown: bool
) -> None:
    """Rule V3, on this shard alone: what is not here has left, or has not come yet."""
    emitted, applied = sum(flow.emitted for flow in flows), sum(flow.applied for flow in flows)
    if check.realm.bits == 0 and total != 0 and not is_overflown:
        # Nobody else can have it.
        check.verified.note(unbalanced(debtor_id, total, 0, 0))
    elif total + emitted - applied != 0 and not is_overflown:
        check.verified.note(unbalanced(debtor_id, total, emitted, applied))
    if flows or total:
        check.verified.sums.append(CurrencySums(debtor_id, total, emitted, applied, is_overflown, flows))


def _note_absent(check: _Check, debtor_id: int, found: CurrencyRow) -> None:
    """Transfers and entries of an account that does not exist, or does not exist any more."""
    if found.transfers:
        check.verified.note(stray_transfers(debtor_id, found.creditor_id, found.transfers))
    created_at = found.entries_created_at
    if not check.realm.owns(debtor_id, found.creditor_id):
        # A split has left its entries here, and its account elsewhere.
        return
    if created_at is not None and found.is_known_since(check.start) and not found.has_touched_bound:
        left = (found.opening_principal or 0) + int(found.moved)
        if left != 0:
            check.verified.note(lost_account(debtor_id, found.creditor_id, created_at, left))


def _locate(check: _Check, debtor_id: int, to_locate: dict[int, CurrencyRow]) -> None:
    """Say where in the journal it goes wrong, for the first accounts of which principals are."""
    for number, one in enumerate(check.verified.violations):
        if one.rule in ("V9", "V10") and one.debtor_id == debtor_id and one.creditor_id in to_locate:
            created_at = to_locate[one.creditor_id].created_at
            assert created_at is not None, "absent accounts are not located"
            where = find_break(check.connection, debtor_id, one.creditor_id, created_at)
            check.verified.violations[number] = msgspec.structs.replace(one, text=f"{one.text}: {where}")


def _verify_loose_ends(check: _Check, debtor_ids: Sequence[int]) -> bool:
    verified = check.verified
    # The outbox and the seals belong to no currency.
    if not debtor_ids:
        for page in check_outbox(check.connection):
            verified.outbox_rows += page.rows
            for violation in page.violations:
                verified.note(violation)
            if check.is_stopping():
                return False
        for segment in check_seals(check.connection):
            verified.sealed_rows += segment.seal.rows
            for violation in segment.violations:
                verified.note(violation)
            if check.is_stopping():
                return False
    for page in check_registry(check.connection, check.start or LAST_MOMENT, debtor_ids):
        verified.credits += page.rows
        for violation in page.violations:
            verified.note(violation)
        if check.is_stopping():
            return False
    return True
