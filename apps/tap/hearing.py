"""News from the accounting server: accounts that are open, transfers that ended, ledgers that grew."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house.room import Room
from swpt_client.news import ConfigEffectual, EntriesAppended, TransferFinished

from . import numbers
from .tables import Account, Entry, Tap


def hear(room: Room) -> None:
    """Keep accounts, taps and entries up to date."""
    agent = room.agent

    @agent.on(ConfigEffectual)
    def opened(session: Session, news: ConfigEffectual) -> None:
        account = _account(session, news.account.key.creditor_id)
        if account is None:
            return
        room.bells.ring(session, bell_of(account.user_id))
        if not account.issuing:
            # The same key again finds the same transfer: this news may come for every new configuration.
            room.desk.issue(
                session, _issuing_key(account.user_id), to=account.creditor_id, cents=account.balance
            )

    @agent.on(TransferFinished)
    def finished(session: Session, news: TransferFinished) -> None:
        kind, _, name = news.transfer.key.partition(":")
        if kind == "tap":
            _end_tap(session, name, news.transfer.outcome)
            room.bells.ring(session, name)
        elif kind == "create":
            account = session.get(Account, name, with_for_update=True)
            if account is not None:
                account.issuing = news.transfer.outcome
                room.bells.ring(session, bell_of(name))

    @agent.on(EntriesAppended)
    def appended(session: Session, news: EntriesAppended) -> None:
        account = _account(session, news.ledger.account.creditor_id)
        if account is None:
            return
        day = news.ledger.creation_date
        for one in news.entries:
            session.add(
                Entry(
                    user_id=account.user_id,
                    ledger_date=datetime(day.year, day.month, day.day, tzinfo=UTC),
                    number=one.number,
                    cents=one.acquired_amount,
                    balance=one.principal,
                    note="" if one.transfer is None else one.transfer.transfer_note,
                )
            )
            room.bells.ring(session, "" if one.transfer is None else one.transfer.transfer_note)
        room.bells.ring(session, bell_of(account.user_id))


def bell_of(user_id: str) -> str:
    """What rings when there is something new of an account."""
    return f"account {user_id}"


def _issuing_key(user_id: str) -> str:
    return f"create:{user_id}"


def _account(session: Session, creditor_id: int) -> Account | None:
    return session.execute(select(Account).where(Account.creditor_id == creditor_id)).scalar_one_or_none()


def _end_tap(session: Session, key: str, outcome: str) -> None:
    tap = session.get(Tap, key, with_for_update=True)
    if tap is None:
        return
    assert tap.state == "running", f"a tap that is {tap.state} has no transfer"
    tap.outcome, tap.ended_at = outcome, func.now()
    tap.state = "done" if outcome == "OK" else "failed"
    tap.errors = [] if outcome == "OK" else [numbers.number_of(outcome)]
