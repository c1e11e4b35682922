"""Verification of the own tables: log = ledgers, and what was issued = what sellers have and have sold."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house.room import Room
from house.verifying import Difference, Report

from .tables import Airtime, CreditRequest, LogEntry, Seller


def verify(room: Room) -> Report:
    """Each account's log against its ledger; credits that were granted against all that is there."""
    return room.database.look(lambda session: _logs(session, room) + _credits(session, room))


def _accounts(session: Session) -> list[tuple[str, int]]:
    sellers = select(Seller.username, Seller.creditor_id).where(Seller.creditor_id.is_not(None))
    found = [(f"seller {name}", int(account or 0)) for name, account in session.execute(sellers)]
    airtime = session.execute(select(Airtime.creditor_id)).scalar_one_or_none()
    return found if airtime is None else [*found, ("airtime", airtime)]


def _logs(session: Session, room: Room) -> Report:
    wanted = select(LogEntry.creditor_id, func.sum(LogEntry.cents)).group_by(LogEntry.creditor_id)
    logs = {account: int(total) for account, total in session.execute(wanted)}
    report = Report()
    for name, account in _accounts(session):
        total = logs.get(account, 0)
        principal = room.desk.balance(session, account)
        if total == principal:
            report += Report(compared=1)
        else:
            report += Report(differences=(Difference(f"the log of {name}", principal, total),))
    return report


def _credits(session: Session, room: Room) -> Report:
    wanted = select(
        CreditRequest.status, CreditRequest.issuing, func.coalesce(func.sum(CreditRequest.cents), 0)
    )
    sums = {
        (status, issuing): int(total)
        for status, issuing, total in session.execute(
            wanted.group_by(CreditRequest.status, CreditRequest.issuing)
        )
    }
    granted = sums.get(("approved", "OK"), 0)
    there = sum(room.desk.balance(session, account) for _, account in _accounts(session))
    about = "credit that was granted = sellers and airtime"
    if granted == there:
        return Report(compared=1)
    by_kind = select(LogEntry.kind, func.sum(LogEntry.cents)).group_by(LogEntry.kind)
    logged = {kind: int(total) for kind, total in session.execute(by_kind)}
    # A sale has two entries, of which one may be under way, and so may be the entry of a credit.
    if ("approved", "") in sums or logged.get("sale", 0) or logged.get("credit", 0) != granted:
        return Report(not_yet=(f"{about}: something is on its way",))
    return Report(differences=(Difference(about, granted, there),))
