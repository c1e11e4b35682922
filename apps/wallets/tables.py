"""What wallets keep: clients, payments that were asked for, invoices, and a copy of each ledger's entries."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Date, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime

from house.tables import Tables


class Base(DeclarativeBase):
    """All tables of wallets."""

    type_annotation_map = {int: BigInteger, str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012


class Client(Base):
    """A person with one wallet."""

    __tablename__ = "wallets_client"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    """In lower case."""
    password_hash: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    creditor_id: Mapped[int] = mapped_column(unique=True)
    """Names the wallet at the accounting server."""
    is_staff: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    """The person has left."""


class Invoice(Base):
    """Somebody wants to be paid; it moves nothing by itself."""

    __tablename__ = "wallets_invoice"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    """Of the request that made it."""
    payee_id: Mapped[int] = mapped_column(ForeignKey(Client.id), index=True)
    cents: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    """How many payments of it were begun."""
    payment_id: Mapped[UUID | None]
    """The payment that is under way, or has paid it; at most one ever is."""
    is_paid: Mapped[bool] = mapped_column(server_default=text("false"))


class Payment(Base):
    """A transfer of money that was asked for, under way or ended."""

    __tablename__ = "wallets_payment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Also the note of the transfer, by which it is found in the ledger."""
    key: Mapped[str] = mapped_column(unique=True)
    """Of the request, and of the agent's transfer."""
    kind: Mapped[str]
    """deposit, transfer or invoice."""
    payer_id: Mapped[int | None] = mapped_column(ForeignKey(Client.id), index=True)
    """None for deposits: the money is new."""
    payee_id: Mapped[int] = mapped_column(ForeignKey(Client.id), index=True)
    cents: Mapped[int]
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey(Invoice.id), index=True)
    begun_by: Mapped[int] = mapped_column(ForeignKey(Client.id))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    outcome: Mapped[str] = mapped_column(server_default="")
    """Of the transfer; empty while it is under way."""
    ended_at: Mapped[datetime | None]


class Entry(Base):
    """A copy of an entry of a wallet's ledger, written in the transaction that appended it there."""

    __tablename__ = "wallets_entry"
    __table_args__ = (Index("wallets_entry_payment", "payment_id"),)

    client_id: Mapped[int] = mapped_column(ForeignKey(Client.id), primary_key=True)
    ledger_date: Mapped[datetime] = mapped_column(Date, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cents: Mapped[int]
    """What has come (> 0) or gone."""
    balance: Mapped[int]
    """After it."""
    payment_id: Mapped[UUID | None]
    """None if it is none of ours: interest, or somebody else's system."""
    at: Mapped[datetime] = mapped_column(index=True)


TABLES: Final = Tables("wallets", Base.metadata)
