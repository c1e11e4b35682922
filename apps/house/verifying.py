"""Verification on the live system: ledgers = server = the application's own tables.

For each account the newest that the server has told, (last transfer number, principal), must be what the
ledger says after the entry of that number.  What cannot be compared yet is listed as such: the server
tells of a changed balance up to a minute late, and an entry may be under way.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from swpt_client.moments import SECOND, Moment
from swpt_client.records import Account, AccountKey, Entry
from swpt_client.store.packing import read_account, read_entry
from swpt_client.store.sql import schema

from .desk import ROOT

_AT_ONCE: Final = 500
_SUM: Final = "the root, against the sum of all others"
_ROOT_LAG: Final = 5 * SECOND
_LONGEST_ROOT_LAG: Final = 3600 * SECOND


class Difference(msgspec.Struct, frozen=True):
    """Two that should be equal, and are not."""

    about: str
    expected: int
    found: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What has been compared."""

    compared: int = 0
    """How many accounts, or rows, were the same in both places."""
    differences: tuple[Difference, ...] = ()
    not_yet: tuple[str, ...] = ()
    """What cannot be compared at this moment."""

    @property
    def is_clean(self) -> bool:
        """Nothing differs."""
        return not self.differences

    def __add__(self, other: "Report") -> "Report":
        return Report(
            compared=self.compared + other.compared,
            differences=self.differences + other.differences,
            not_yet=self.not_yet + other.not_yet,
        )


def compare(about: str, *, expected: int, found: int) -> Report:
    """Two that should be equal."""
    if expected == found:
        return Report(compared=1)
    return Report(differences=(Difference(about, expected, found),))


def verify_ledgers(session: Session, debtor_id: int) -> Report:
    """All accounts of a currency that are ours: ledger against server, and the root against the others."""
    report, total, newest, root = Report(), 0, 0, None
    for account in _accounts(session, debtor_id):
        if account.key.creditor_id == ROOT:
            root = account.data
            continue
        report += _verify_account(session, account)
        total += 0 if account.ledger is None else account.ledger.principal
        newest = max(newest, 0 if account.data is None else account.data.last_change_ts)
    if report.not_yet:
        return report + Report(not_yet=(f"{_SUM}: some are under way",))
    if root is None:
        return report + Report(not_yet=(f"{_SUM}: the server has not told of the root",))
    now = int(session.execute(select(func.extract("epoch", func.now()))).scalar_one() * SECOND)
    told = Told(principal=root.principal, at=root.last_heartbeat_ts)
    return report + compare_root(told, others=total, newest=newest, now=now)


class Told(msgspec.Struct, frozen=True):
    """What the server has told of the root, and when."""

    principal: int
    at: Moment


def compare_root(root: Told, *, others: int, newest: Moment, now: Moment) -> Report:
    """The root against the sum of all others, of which the newest change was at a moment.

    What moves to or from the root is too little for entries of its own: its balance is what was told of it.
    That may be some seconds, or with a slow network longer, older than what is known of the others.
    """
    if root.principal != -others and root.at <= newest + _ROOT_LAG and now <= newest + _LONGEST_ROOT_LAG:
        return Report(not_yet=(f"{_SUM}: the root was told of before the others changed",))
    return compare(_SUM, expected=-others, found=root.principal)


def _accounts(session: Session, debtor_id: int) -> Iterator[Account]:
    table = schema.account
    after: int | None = None
    while True:
        wanted = select(table.c.creditor_id, table.c.record).where(table.c.debtor_id == debtor_id)
        if after is not None:
            wanted = wanted.where(table.c.creditor_id > after)
        rows = session.execute(wanted.order_by(table.c.creditor_id).limit(_AT_ONCE)).all()
        if not rows:
            return
        for after, record in rows:  # noqa: B007 - the last one begins the next page
            yield read_account(record)


def _verify_account(session: Session, account: Account) -> Report:
    name = f"account {account.key.creditor_id}"
    data, ledger = account.data, account.ledger
    if data is None:
        return Report(not_yet=(f"{name}: the server has not told of it",))
    if data.last_transfer_number == 0:
        found = 0 if ledger is None else ledger.principal
        if found == data.principal:
            return Report(compared=1)
        return Report(not_yet=(f"{name}: the server has not told of its entries",))
    if ledger is None or ledger.creation_date != data.creation_date:
        return Report(not_yet=(f"{name}: no entry has come yet",))
    if ledger.last_transfer_number == data.last_transfer_number:
        # Also where a person has closed the tail of a ledger, by an entry without a transfer.
        return compare(name, expected=data.principal, found=ledger.principal)
    entry = _entry_of(session, account.key, data.last_transfer_number)
    if entry is None:
        return Report(not_yet=(f"{name}: entry {data.last_transfer_number} has not come yet",))
    if entry.principal != data.principal:
        return Report(differences=(Difference(name, data.principal, entry.principal),))
    if ledger.last_transfer_number > data.last_transfer_number:
        return Report(compared=1, not_yet=(f"{name}: the ledger is ahead of what the server has told",))
    return Report(compared=1)


def _entry_of(session: Session, key: AccountKey, transfer_number: int) -> Entry | None:
    """The entry of a transfer number; it is among the newest, where it is looked for first."""
    table = schema.ledger_entry
    offset = 0
    while True:
        wanted = (
            select(table.c.record)
            .where(table.c.debtor_id == key.debtor_id, table.c.creditor_id == key.creditor_id)
            .order_by(table.c.creation_date.desc(), table.c.number.desc())
        )
        records = session.execute(wanted.offset(offset).limit(_AT_ONCE)).scalars().all()
        if not records:
            return None
        for record in records:
            entry: Entry = read_entry(record)
            if entry.transfer is not None and entry.transfer.transfer_number == transfer_number:
                return entry
        offset += _AT_ONCE
