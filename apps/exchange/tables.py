"""What the exchange keeps: traders, offers, trades with legs and steps, and entries."""

from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime

from house.tables import Tables


class Base(DeclarativeBase):
    """All tables of the exchange."""

    type_annotation_map = {  # noqa: RUF012
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
    }


class Trader(Base):
    """Somebody who has an account in each currency; one of them is the exchange, for what is in escrow."""

    __tablename__ = "exchange_trader"

    trader_id: Mapped[str] = mapped_column(primary_key=True)
    creditor_id: Mapped[int] = mapped_column(unique=True)
    """Names the accounts at the accounting server."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]


class Deposit(Base):
    """Money that was issued to a trader."""

    __tablename__ = "exchange_deposit"

    deposit_id: Mapped[str] = mapped_column(primary_key=True)
    """From the request key."""
    trader_id: Mapped[str] = mapped_column(ForeignKey(Trader.trader_id), index=True)
    currency: Mapped[str]
    cents: Mapped[int]
    outcome: Mapped[str] = mapped_column(server_default="")
    """Of the transfer; empty while it is under way."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Offer(Base):
    """What a trader gives, what it must bring, and how much of it is still open."""

    __tablename__ = "exchange_offer"
    __table_args__ = (
        UniqueConstraint("trader_id", "request_key"),
        Index(
            "exchange_offer_open", "give", "want", "rate", "number", postgresql_where=text("state = 'open'")
        ),
        Index("exchange_offer_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    offer_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Identity(), unique=True)
    """Of two offers that ask the same, the one with the smaller number is served first."""
    trader_id: Mapped[str] = mapped_column(ForeignKey(Trader.trader_id), index=True)
    request_key: Mapped[str]
    give: Mapped[str]
    want: Mapped[str]
    cents: Mapped[int]
    """What was offered."""
    open_cents: Mapped[int]
    """What is in no trade yet."""
    rate: Mapped[int]
    """Millionths."""
    mode: Mapped[str]
    state: Mapped[str]
    """open, matched (nothing is open any more), cancelled or refused (the trader could not pay)."""
    reason: Mapped[str] = mapped_column(server_default="")
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    """Trades in a row that came to nothing."""
    due_at: Mapped[datetime | None]
    """From then on it looks for others; None: it waits for them."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Trade(Base):
    """A pair or a ring of offers that is carried out."""

    __tablename__ = "exchange_trade"
    __table_args__ = (
        Index("exchange_trade_newest", "created_at"),
        Index("exchange_trade_unsettled", "trade_id", postgresql_where=text("NOT is_settled")),
        Index("exchange_trade_retry", "retry_at", postgresql_where=text("retry_at IS NOT NULL")),
    )

    trade_id: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[str]
    state: Mapped[str]
    """running, done, failed or torn."""
    reason: Mapped[str] = mapped_column(server_default="")
    is_settled: Mapped[bool] = mapped_column(server_default=text("false"))
    """Its offers know how it ended."""
    retry_at: Mapped[datetime | None]
    """When the next step begins, if that has to wait."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class Leg(Base):
    """One movement of a trade: what one trader gives to another."""

    __tablename__ = "exchange_leg"

    trade_id: Mapped[str] = mapped_column(ForeignKey(Trade.trade_id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offer_id: Mapped[str] = mapped_column(ForeignKey(Offer.offer_id), index=True)
    giver: Mapped[str] = mapped_column(ForeignKey(Trader.trader_id), index=True)
    receiver: Mapped[str] = mapped_column(ForeignKey(Trader.trader_id), index=True)
    currency: Mapped[str]
    cents: Mapped[int]
    refusal: Mapped[str] = mapped_column(server_default="")
    """Why the giver's account did not pay, if the trade came to nothing for that."""


class Step(Base):
    """One bundle of a trade: all its legs directly, into escrow, out of it, or back."""

    __tablename__ = "exchange_step"

    trade_id: Mapped[str] = mapped_column(ForeignKey(Trade.trade_id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="")
    """Of the bundle, when it has ended."""
    reason: Mapped[str] = mapped_column(server_default="")
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class Entry(Base):
    """A copy of an entry of an account's ledger, written in the transaction that appended it there."""

    __tablename__ = "exchange_entry"
    __table_args__ = (Index("exchange_entry_note", "note"),)

    trader_id: Mapped[str] = mapped_column(ForeignKey(Trader.trader_id), primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    ledger_date: Mapped[datetime] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cents: Mapped[int]
    """What has come (> 0) or gone."""
    balance: Mapped[int]
    """After it."""
    note: Mapped[str]
    """The id of the trade, or of the deposit."""


TABLES: Final = Tables("exchange", Base.metadata)
