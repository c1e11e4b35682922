"""What the accounting server tells becomes deeds that have ended, stock that comes back, entries, notices."""

from datetime import UTC, datetime
from logging import getLogger
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from house import money
from house.desk import ROOT
from house.room import Room
from swpt_client.news import EntriesAppended, TransferFinished
from swpt_client.records import Entry as LedgerEntry

from .deeds import NOTHING_MOVED_UNLESS
from .notes import Kind, Note, kind_of, read
from .rules import OK
from .tables import Deed, Entry, Holder, Notice, Product, Request
from .undoing import locked_deed

_logger = getLogger(__name__)


def hear(room: Room) -> None:
    """Keep deeds and entries up to date."""

    @room.agent.on(TransferFinished)
    def finished(session: Session, news: TransferFinished) -> None:
        deed = end(session, news.transfer.key, str(news.transfer.outcome))
        if deed is not None:
            session.flush()
            room.bells.ring(session, str(deed.id))

    @room.agent.on(EntriesAppended)
    def appended(session: Session, news: EntriesAppended) -> None:
        creditor_id = news.ledger.account.creditor_id
        found = select(Holder.id).where(Holder.creditor_id == creditor_id)
        holder_id = session.execute(found).scalar_one_or_none()
        if holder_id is None:
            return
        root = room.desk.account(session, ROOT)
        for one in news.entries:
            entry = copy_of(one, holder_id, "" if root is None else root.account_id)
            session.add(entry)
            if entry.deed_id is not None:
                room.bells.ring(session, str(entry.deed_id))


def end(session: Session, key: str, outcome: str) -> Deed | None:
    """Write down how the transfer of this key has ended; gives its deed, if it is one of ours."""
    word, _, rest = key.partition(":")
    if word == "undo":
        deed_id, _, number = rest.partition(":")
        deed = locked_deed(session, UUID(deed_id))
        if deed is not None and deed.undo == "open" and deed.attempt == int(number):
            _end_undo(session, deed, outcome)
        return deed
    found = session.execute(select(Deed.id).where(Deed.key == key)).scalar_one_or_none()
    deed = None if found is None else locked_deed(session, found)
    if deed is not None and not deed.outcome:
        _end_deed(session, deed, outcome)
    return deed


def _end_deed(session: Session, deed: Deed, outcome: str) -> None:
    deed.outcome = outcome
    deed.ended_at = datetime.now(UTC)
    if outcome not in NOTHING_MOVED_UNLESS:
        _give_back_stock(session, deed)
    if deed.kind == Kind.TRANSFER and outcome == OK and deed.other_id is not None:
        giver = session.get_one(Holder, deed.holder_id).name
        words = f": {deed.what}" if deed.what else "."
        _tell(session, deed.other_id, f"{giver} gave you {money.show_for_people(deed.cents)}{words}")


def _end_undo(session: Session, deed: Deed, outcome: str) -> None:
    session.execute(
        update(Request)
        .where(Request.deed_id == deed.id, Request.attempt == deed.attempt)
        .values(outcome=outcome)
        .execution_options(synchronize_session=False)
    )
    if outcome == OK:
        deed.undo, deed.undone_at, deed.undo_refusal = "done", datetime.now(UTC), ""
        _give_back_stock(session, deed)
        _tell_of_undo(session, deed)
    elif outcome in NOTHING_MOVED_UNLESS:
        # Nobody knows whether the money has moved: another attempt could move it twice.
        deed.undo_refusal = outcome
        _logger.error("The undo of %s has ended as %s: a person should look at it.", deed.id, outcome)
    else:
        deed.undo, deed.undo_refusal = "", outcome
        deed.attempt += 1


def _give_back_stock(session: Session, deed: Deed) -> None:
    if deed.product_id is not None:
        session.execute(
            update(Product)
            .where(Product.id == deed.product_id)
            .values(stock=Product.stock + 1)
            .execution_options(synchronize_session=False)
        )


def _tell_of_undo(session: Session, deed: Deed) -> None:
    if deed.kind != Kind.TRANSFER or deed.other_id is None:
        return
    giver, receiver = (session.get_one(Holder, one).name for one in (deed.holder_id, deed.other_id))
    sum_ = money.show_for_people(deed.cents)
    _tell(session, deed.holder_id, f"You have back the {sum_} that you gave to {receiver}.")
    _tell(
        session,
        deed.other_id,
        f"{giver} has undone the transfer of {sum_} to you: it is gone from your account, which may be below"
        " zero now.",
    )


def _tell(session: Session, holder_id: int, sentence: str) -> None:
    session.add(Notice(holder_id=holder_id, text=sentence))


def copy_of(entry: LedgerEntry, holder_id: int, root: str) -> Entry:
    """An entry as the till keeps it; `root` is the account that issues the currency."""
    transfer = entry.transfer
    if transfer is None:
        kind, note, at = Kind.OTHER, Note("", None), entry.added_at
    else:
        kind = kind_of(
            transfer.transfer_note_format, is_with_root=root in (transfer.sender, transfer.recipient)
        )
        note = Note(transfer.transfer_note, None) if kind is Kind.OTHER else read(transfer.transfer_note)
        at = transfer.committed_at
    return Entry(
        holder_id=holder_id,
        ledger_date=entry.ledger.creation_date,
        number=entry.number,
        cents=entry.acquired_amount,
        balance=entry.principal,
        kind=kind,
        what=note.what,
        deed_id=note.deed_id,
        at=datetime.fromtimestamp(at / 1e6, UTC),
    )
