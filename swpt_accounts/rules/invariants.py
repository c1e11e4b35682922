"""The invariants V1 to V7 and V9 to V13 that hold after every step, whatever happened (rules.md#invariants).

Pure: a row of facts about an account in, what is wrong with it out.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from swpt_accounts.wire.moments import Moment, render_timestamp
from swpt_accounts.wire.numbers import MAX_INT64, ROOT_CREDITOR_ID

JUMP: Final = 2**20


class Violation(msgspec.Struct, frozen=True):
    """A broken invariant; an id is none if it concerns more than one."""

    rule: str
    debtor_id: int | None
    creditor_id: int | None
    text: str


class AnnouncedNumbers(msgspec.Struct, frozen=True):
    """The AccountTransfer messages that the journal knows of an account since its creation."""

    count: int = 0
    distinct: int = 0
    greatest: int = 0


class Opening(msgspec.Struct, frozen=True):
    """Where the journal begins for an account that is older than it."""

    principal: int = 0
    number: int = 0


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal knows of the principal of an account, since its creation or its opening balance."""

    moved: int = 0
    is_chain: bool = True
    """Each principal follows from another one, the first from the opening, and the last is the account's."""

    has_touched_bound: bool = False
    """A principal was the greatest or the smallest that there can be, by an entry or by the opening."""


class AccountFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An account with what belongs to it.  `announced` is none if the journal is not complete for it."""

    debtor_id: int
    creditor_id: int
    created_at: Moment
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
    transfers: int = 0
    locked_amount: int = 0
    greatest_transfer_id: int | None = None
    announced: AnnouncedNumbers | None = None
    ledger: Ledger | None = None
    opening: Opening | None = None
    """None if the journal begins with the creation, or later without a row that says where it stood."""

    is_update_pending: bool = False
    is_update_due: bool = False


def violations(account: AccountFacts, restorations: Sequence[Moment] = ()) -> Iterator[Violation]:
    """What is wrong with one account; `restorations` are the ends of the restorations of the database."""
    broken: list[tuple[str, str]] = []
    locked = min(account.locked_amount, MAX_INT64)
    if account.total_locked_amount != locked:
        broken.append(("V1", f"{account.total_locked_amount} is locked, its transfers lock {locked}"))
    if account.pending_transfers_count != account.transfers:
        broken.append(("V2", f"{account.pending_transfers_count} transfers, found {account.transfers}"))
    if account.announced is not None:
        broken += [("V4", text) for text in _wrong_numbers(account, account.announced, restorations)]
    if account.is_deleted and not _is_empty(account):
        broken.append(("V5", "deleted, but not empty"))
    if account.greatest_transfer_id is not None and account.greatest_transfer_id > account.last_transfer_id:
        broken.append(("V6", f"transfer {account.greatest_transfer_id} is beyond {account.last_transfer_id}"))
    if account.creditor_id == ROOT_CREDITOR_ID and not _bears_nothing(account):
        broken.append(("V7", "a root account with interest rate, debtor info or transfer numbers"))
    if account.ledger is not None:
        broken += _wrong_principal(account, account.ledger)
    if account.is_update_pending and not account.is_update_due:
        broken.append(("V13", "its balance has changed, and nobody is told to announce it"))
    for rule, text in broken:
        yield Violation(rule, account.debtor_id, account.creditor_id, text)


def _wrong_principal(account: AccountFacts, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """V9, V10 and V12.  An overflow makes or loses money, so that sums say nothing of who has seen one."""
    if account.is_overflown:
        if not ledger.has_touched_bound:
            yield "V12", "marked as overflown, but by the journal no principal has come to its bound"
        return
    principal = (account.opening or Opening()).principal + ledger.moved
    if account.principal != principal:
        yield "V9", f"the principal is {account.principal}, by the journal {principal}"
    elif not ledger.is_chain:
        yield "V10", "principals in the journal do not follow from each other"


def lost_account(debtor_id: int, creditor_id: int, created_at: Moment, left: int) -> Violation:
    """An account that is gone with something on it (rule V9)."""
    since = render_timestamp(created_at)
    return Violation("V9", debtor_id, creditor_id, f"created {since} and gone, by the journal with {left}")


def repeated_transfer(debtor_id: int, creditor_id: int, transfer_id: int, times: int) -> Violation:
    """A transfer that the journal has more than once (rule V11)."""
    return Violation("V11", debtor_id, creditor_id, f"transfer {transfer_id} is in the journal {times} times")


def stray_transfers(debtor_id: int, creditor_id: int, transfers: int) -> Violation:
    """Prepared transfers whose sender does not exist."""
    return Violation("V2", debtor_id, creditor_id, f"no account, but {transfers} prepared transfers")


def unbalanced(debtor_id: int, total: int, emitted: int, applied: int) -> Violation:
    """A currency whose principals, with what has left for other shards and come from them, are not 0."""
    text = f"the principals add up to {total}, not to {applied - emitted}"
    if emitted or applied:
        text += f": {emitted} has left for other shards, {applied} has come"
    return Violation("V3", debtor_id, None, text)


def _is_empty(account: AccountFacts) -> bool:
    return (
        account.principal == 0
        and account.interest == 0.0
        and account.total_locked_amount == 0
        and account.pending_transfers_count == 0
    )


def _bears_nothing(account: AccountFacts) -> bool:
    return account.interest_rate == 0.0 and not account.has_debtor_info and account.last_transfer_number == 0


def _wrong_numbers(
    account: AccountFacts, announced: AnnouncedNumbers, restorations: Sequence[Moment]
) -> Iterator[str]:
    """The numbers are 1, 2, 3, … but for one jump at each restoration that the account has seen.

    They go on from that of an opening balance.
    """
    last, first = account.last_transfer_number, 0 if account.opening is None else account.opening.number
    jumps, rest = divmod(last - first - announced.count, JUMP)
    most = sum(moment >= account.created_at for moment in restorations)
    if rest or not 0 <= jumps <= most:
        yield f"last transfer number {last}, but the journal has {announced.count} transfers"
    if announced.distinct != announced.count:
        yield f"{announced.count} transfers share {announced.distinct} numbers"
    if announced.greatest > last:
        yield f"transfer number {announced.greatest} is beyond the last, {last}"
