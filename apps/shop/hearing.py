"""News from the accounting server: transfers that ended, ledgers that grew."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from house.room import Room
from swpt_client.news import EntriesAppended, TransferFinished
from swpt_client.records import Entry

from .charging import NOTE_FORMAT
from .tables import Airtime, Charge, CreditRequest, LogEntry, Seller


def hear(room: Room) -> None:
    """Keep requests, sales and the log up to date."""
    agent = room.agent

    @agent.on(TransferFinished)
    def finished(session: Session, news: TransferFinished) -> None:
        key, outcome = news.transfer.key, news.transfer.outcome
        if key.startswith("credit:"):
            asked = session.get(CreditRequest, int(key.removeprefix("credit:")), with_for_update=True)
            if asked is not None:
                asked.issuing = outcome
                room.bells.ring(session, key)
            return
        wanted = select(Charge).where(Charge.key == key).with_for_update()
        charge = session.execute(wanted).scalar_one_or_none()
        if charge is not None:
            charge.outcome, charge.ended_at = outcome, func.now()
            room.bells.ring(session, str(charge.id))

    @agent.on(EntriesAppended)
    def appended(session: Session, news: EntriesAppended) -> None:
        creditor_id = news.ledger.account.creditor_id
        if not _is_ours(session, creditor_id):
            return
        rows = [_row(creditor_id, one) for one in news.entries]
        session.execute(insert(LogEntry), rows)


def _is_ours(session: Session, creditor_id: int) -> bool:
    seller = select(Seller.id).where(Seller.creditor_id == creditor_id)
    if session.execute(seller).first() is not None:
        return True
    return session.execute(select(Airtime.id).where(Airtime.creditor_id == creditor_id)).first() is not None


def _row(creditor_id: int, one: Entry) -> dict[str, object]:
    note_format = "" if one.transfer is None else one.transfer.transfer_note_format
    kind = {NOTE_FORMAT: "sale", "credit": "credit"}.get(note_format, "other")
    at = one.added_at if one.transfer is None else one.transfer.committed_at
    return {
        "creditor_id": creditor_id,
        "ledger_date": one.ledger.creation_date,
        "number": one.number,
        "kind": kind,
        "cents": one.acquired_amount,
        "balance": one.principal,
        "note": "" if one.transfer is None else one.transfer.transfer_note,
        "at": datetime.fromtimestamp(at / 1e6, UTC),
    }
