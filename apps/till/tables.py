"""What the till keeps: people, cards, products, what was done and undone, copies of ledgers."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Date, ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime

from house.tables import Tables


class Base(DeclarativeBase):
    """All tables of the till."""

    type_annotation_map = {int: BigInteger, str: Text, datetime: DateTime(timezone=True), date: Date}  # noqa: RUF012


class Holder(Base):
    """Who has an account: each person, and the shop."""

    __tablename__ = "till_holder"
    __table_args__ = (
        Index(
            "till_holder_name", text("lower(name)"), unique=True, postgresql_where=text("closed_at IS NULL")
        ),
        Index("till_holder_shop", "is_shop", unique=True, postgresql_where=text("is_shop")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    creditor_id: Mapped[int] = mapped_column(unique=True)
    """Names the account at the accounting server."""
    is_shop: Mapped[bool] = mapped_column(server_default=text("false"))
    password_hash: Mapped[str | None]
    """For those who want to log in elsewhere than at a terminal."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    """The person has left; the name is forgotten then."""


class Card(Base):
    """A card, or a barcode, that is somebody's."""

    __tablename__ = "till_card"

    code: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[int] = mapped_column(ForeignKey(Holder.id), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class UnknownCard(Base):
    """A card that was held to a terminal, and is nobody's yet; it is forgotten after a day."""

    __tablename__ = "till_unknown_card"

    code: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Terminal(Base):
    """A screen at which nobody needs a password; it holds a cookie whose digest is here."""

    __tablename__ = "till_terminal"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    digest: Mapped[bytes] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Administrator(Base):
    """The password of the administration; there is one row."""

    __tablename__ = "till_administrator"

    id: Mapped[int] = mapped_column(primary_key=True)
    password_hash: Mapped[str]


class Product(Base):
    """Something to buy."""

    __tablename__ = "till_product"
    __table_args__ = (
        Index(
            "till_product_name", text("lower(name)"), unique=True, postgresql_where=text("removed_at IS NULL")
        ),
        Index("till_product_barcode", "barcode", unique=True, postgresql_where=text("removed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    category: Mapped[str]
    cents: Mapped[int]
    """The price."""
    barcode: Mapped[str | None]
    stock: Mapped[int]
    """May be below zero: the bar is in somebody's hand already."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed_at: Mapped[datetime | None]


class Price(Base):
    """A price that a product has had; rows are only added."""

    __tablename__ = "till_price"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(Product.id), index=True)
    cents: Mapped[int]
    set_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Delivery(Base):
    """A change of a stock by the administration: what came, or was missing when counted; only added."""

    __tablename__ = "till_delivery"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(Product.id), index=True)
    pieces: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class Deed(Base):
    """A purchase, a recharge, a transfer, a payout, or a change of a line: under way or ended."""

    __tablename__ = "till_deed"
    __table_args__ = (
        Index("till_deed_of_holder", "holder_id", "kind", "at"),
        Index("till_deed_of_other", "other_id", "at"),
        Index("till_deed_of_product", "product_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Also at the end of the transfer's note, by which it is found in the ledger."""
    key: Mapped[str] = mapped_column(unique=True)
    """Of the agent's transfer: the one-time token of the request."""
    kind: Mapped[str]
    """See `notes.Kind`."""
    holder_id: Mapped[int] = mapped_column(ForeignKey(Holder.id))
    """Whose deed it is."""
    other_id: Mapped[int | None] = mapped_column(ForeignKey(Holder.id))
    """Who gets it: of transfers, and the shop of purchases."""
    product_id: Mapped[int | None] = mapped_column(ForeignKey(Product.id))
    what: Mapped[str]
    """The product, or what somebody has written."""
    cents: Mapped[int]
    """Above zero; of a line that is lowered, below."""
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    outcome: Mapped[str] = mapped_column(server_default="")
    """Of the transfer; empty while it is under way."""
    ended_at: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(server_default=text("1"))
    """The number of the undo that runs, or that would be the next."""
    undo: Mapped[str] = mapped_column(server_default="")
    """Empty, `open` or `done`."""
    undo_refusal: Mapped[str] = mapped_column(server_default="")
    """Why the latest undo was refused."""
    undone_at: Mapped[datetime | None]


class Request(Base):
    """A one-time token that was used: it means one thing, for ever."""

    __tablename__ = "till_request"
    __table_args__ = (Index("till_request_of_deed", "deed_id", "attempt"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    deed_id: Mapped[UUID] = mapped_column(ForeignKey(Deed.id))
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    """0: the deed itself; else the number of an attempt to undo it."""
    outcome: Mapped[str] = mapped_column(server_default="")
    """Of the attempt to undo; empty while it is under way."""


class Entry(Base):
    """A copy of an entry of a ledger, written in the transaction that appended it there."""

    __tablename__ = "till_entry"
    __table_args__ = (
        Index("till_entry_of_deed", "deed_id"),
        Index("till_entry_at", "holder_id", "at"),
        Index(
            "till_entry_line",
            "holder_id",
            postgresql_where=text("kind = 'line'"),
            postgresql_include=["cents"],
        ),
    )

    holder_id: Mapped[int] = mapped_column(ForeignKey(Holder.id), primary_key=True)
    ledger_date: Mapped[date] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cents: Mapped[int]
    """What has come (> 0) or gone."""
    balance: Mapped[int]
    """After it."""
    kind: Mapped[str]
    """What the entry says of itself; see `notes.kind_of`."""
    what: Mapped[str]
    deed_id: Mapped[UUID | None]
    """None if it is none of ours."""
    at: Mapped[datetime]


class Notice(Base):
    """Something that a person should be told; kept until it was read."""

    __tablename__ = "till_notice"
    __table_args__ = (Index("till_notice_unread", "holder_id", postgresql_where=text("read_at IS NULL")),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    holder_id: Mapped[int] = mapped_column(ForeignKey(Holder.id))
    text: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    read_at: Mapped[datetime | None]


TABLES: Final = Tables("till", Base.metadata)
