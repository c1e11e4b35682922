"""News from the accounting server: accounts that are open, bundles that ended, ledgers that grew."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from house.room import Room
from swpt_client.news import BundleFinished, ConfigEffectual, EntriesAppended, TransferFinished

from . import carrying, traders
from .currencies import code_of
from .tables import Deposit, Entry


def hear(room: Room) -> None:
    """Keep trades, deposits and entries up to date; never offers (see `booking`)."""
    agent = room.agent

    @agent.on(ConfigEffectual)
    def opened(session: Session, news: ConfigEffectual) -> None:
        trader_id = traders.trader_of(session, news.account.key.creditor_id)
        if trader_id is not None:
            room.bells.ring(session, traders.bell_of(trader_id))

    @agent.on(BundleFinished)
    def bundle_ended(session: Session, news: BundleFinished) -> None:
        carrying.carry_on(session, room, news.bundle)

    @agent.on(TransferFinished)
    def transfer_ended(session: Session, news: TransferFinished) -> None:
        kind, _, deposit_id = news.transfer.key.partition(":")
        deposit = session.get(Deposit, deposit_id) if kind == "deposit" else None
        if deposit is not None:
            deposit.outcome = news.transfer.outcome
            room.bells.ring(session, deposit_id)

    @agent.on(EntriesAppended)
    def appended(session: Session, news: EntriesAppended) -> None:
        account = news.ledger.account
        trader_id = traders.trader_of(session, account.creditor_id)
        code = code_of(room, account.debtor_id)
        if trader_id is None or code is None:
            return
        day = news.ledger.creation_date
        for one in news.entries:
            note = "" if one.transfer is None else one.transfer.transfer_note
            session.add(
                Entry(
                    trader_id=trader_id,
                    currency=code,
                    ledger_date=datetime(day.year, day.month, day.day, tzinfo=UTC),
                    number=one.number,
                    cents=one.acquired_amount,
                    balance=one.principal,
                    note=note,
                )
            )
            room.bells.ring(session, note)
        room.bells.ring(session, traders.bell_of(trader_id))
