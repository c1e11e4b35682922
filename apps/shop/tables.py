"""What shop keeps: sellers, what they asked for, what they sold, and a log of all entries that only grows."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime

from house.tables import Tables

PENDING: Final = "pending"


class Base(DeclarativeBase):
    """All tables of shop."""

    type_annotation_map = {  # noqa: RUF012
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
        date: Date,
    }


class Seller(Base):
    """Somebody who sells, or an administrator, who has no account."""

    __tablename__ = "shop_seller"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    name: Mapped[str]
    is_admin: Mapped[bool] = mapped_column(server_default=text("false"))
    creditor_id: Mapped[int | None] = mapped_column(unique=True)
    """Names the account at the accounting server: credit is what is on it."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]


class Airtime(Base):
    """The one account that all sales are paid to."""

    __tablename__ = "shop_airtime"
    __table_args__ = (CheckConstraint("id = 1"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    creditor_id: Mapped[int] = mapped_column(unique=True)


class CreditRequest(Base):
    """A seller wants credit; an administrator decides once."""

    __tablename__ = "shop_credit_request"
    __table_args__ = (
        Index("shop_credit_request_pending", "id", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    """Of the request that made it."""
    seller_id: Mapped[int] = mapped_column(ForeignKey(Seller.id), index=True)
    cents: Mapped[int]
    status: Mapped[str] = mapped_column(server_default=PENDING)
    """pending, approved or rejected."""
    issuing: Mapped[str] = mapped_column(server_default="")
    """The outcome of what was issued for it; empty while there is none."""
    decided_by: Mapped[int | None] = mapped_column(ForeignKey(Seller.id))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    decided_at: Mapped[datetime | None]


class Charge(Base):
    """A sale to a phone number, under way or ended."""

    __tablename__ = "shop_charge"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    """Of the request, and of the agent's transfer."""
    seller_id: Mapped[int] = mapped_column(ForeignKey(Seller.id), index=True)
    phone_number: Mapped[str]
    cents: Mapped[int]
    outcome: Mapped[str] = mapped_column(server_default="")
    """Of the transfer; empty while it is under way."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class LogEntry(Base):
    """One entry of the ledger of a seller, or of airtime; written with it, and never changed."""

    __tablename__ = "shop_log"
    __table_args__ = (
        Index("shop_log_ledger", "creditor_id", "ledger_date", "number", unique=True),
        Index("shop_log_moment", "creditor_id", "at", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    creditor_id: Mapped[int]
    ledger_date: Mapped[date]
    number: Mapped[int]
    kind: Mapped[str]
    """credit, sale or other."""
    cents: Mapped[int]
    """What has come (> 0) or gone."""
    balance: Mapped[int]
    """After it."""
    note: Mapped[str]
    """The phone number of a sale."""
    at: Mapped[datetime]


_REFUSE: Final = """\
CREATE OR REPLACE FUNCTION shop_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log of transactions only grows';
END
$$"""
_GUARD: Final = """\
CREATE TRIGGER shop_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON shop_log
    FOR EACH STATEMENT EXECUTE FUNCTION shop_log_only_grows()"""

TABLES: Final = Tables("shop", Base.metadata, after=(_REFUSE, _GUARD))
