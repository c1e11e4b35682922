"""Accounts: wanted together with their owner, filled when they are there, closed when they are empty."""

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house.desk import Desk, NotEmpty
from house.problems import Problem
from house.visits import end_visits_of

from .api_keys import Caller
from .tables import Account, Entry, Half, Tap


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants an account, and what is to be on it."""

    user_id: str
    account_number: str
    account_type: str
    bank_sender: str
    balance: int


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An account as it is now."""

    owner: Owner
    """With the balance of now."""
    is_open: bool
    issuing: str
    is_closed: bool
    is_booked: bool
    """What was issued is in the ledger."""

    @property
    def is_over(self) -> bool:
        """It is open, and what it begins with is on it, or was refused."""
        return self.is_open and bool(self.issuing) and self.is_booked


def want(session: Session, desk: Desk, owner: Owner) -> bool:
    """A new account; False if it is there already.  Raises Problem KEY_CONFLICT if it is there otherwise."""
    known = session.get(Account, owner.user_id)
    if known is not None:
        if _owner(known, known.balance) != owner or known.closed_at is not None:
            taken = "This user has another account already."
            raise Problem("KEY_CONFLICT", taken, fields={"user_id": taken})
        return False
    of_number = select(Account.user_id).where(Account.account_number == owner.account_number)
    if session.execute(of_number).first() is not None:
        taken = "This number is somebody else's."
        raise Problem("KEY_CONFLICT", taken, fields={"account_number": taken})
    creditor_id = desk.new_creditor_id()
    issuing = "" if owner.balance else "OK"
    session.add(Account(**msgspec.structs.asdict(owner), creditor_id=creditor_id, issuing=issuing))
    session.flush()
    desk.open(session, creditor_id)
    return True


def view(session: Session, desk: Desk, user_id: str) -> View | None:
    """An account, if there is one."""
    found = session.get(Account, user_id)
    if found is None:
        return None
    begins_empty = found.balance == 0 or found.issuing not in ("", "OK")
    entry = select(Entry.number).where(Entry.user_id == user_id).limit(1)
    return View(
        owner=_owner(found, desk.balance(session, found.creditor_id)),
        is_open=desk.is_open(session, found.creditor_id),
        issuing=found.issuing,
        is_closed=found.closed_at is not None,
        is_booked=begins_empty or session.execute(entry).first() is not None,
    )


def close(session: Session, desk: Desk, user_id: str) -> None:
    """Remove somebody.  Raises Problem NOT_FOUND, and NOT_EMPTY if there is money, on its way as well."""
    wanted = select(Account).where(Account.user_id == user_id).with_for_update()
    found = session.execute(wanted).scalar_one_or_none()
    if found is None:
        raise Problem("NOT_FOUND", "There is no such account.")
    if found.closed_at is not None:
        return
    running = select(Tap.key).join(Half).where(Half.user_id == user_id, Tap.state.in_(("waiting", "running")))
    if not found.issuing or session.execute(running.limit(1)).first() is not None:
        raise Problem("NOT_EMPTY", "Something is on its way from or to this account.")
    try:
        desk.close(session, found.creditor_id)
    except NotEmpty:
        raise Problem("NOT_EMPTY") from None
    found.closed_at = session.execute(select(func.now())).scalar_one()
    end_visits_of(session, Caller(user_id).visitor)


def _owner(row: Account, balance: int) -> Owner:
    return Owner(
        user_id=row.user_id,
        account_number=row.account_number,
        account_type=row.account_type,
        bank_sender=row.bank_sender,
        balance=balance,
    )
