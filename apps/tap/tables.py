"""What tap keeps: accounts with their owners, keys of phones, and taps with their two halves."""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime

from house.tables import Tables


class Base(DeclarativeBase):
    """All tables of tap."""

    type_annotation_map = {  # noqa: RUF012
        int: BigInteger,
        str: Text,
        bytes: LargeBinary,
        datetime: DateTime(timezone=True),
        list[int]: ARRAY(Integer),
    }


class Account(Base):
    """Somebody who pays and is paid by phone; their bank has told us who it is."""

    __tablename__ = "tap_account"

    user_id: Mapped[str] = mapped_column(primary_key=True)
    account_number: Mapped[str] = mapped_column(unique=True)
    account_type: Mapped[str]
    bank_sender: Mapped[str]
    balance: Mapped[int]
    """What is issued at the beginning, in cents."""
    issuing: Mapped[str]
    """Of the beginning: the outcome of its transfer; empty while it is under way; OK if there is nothing."""
    creditor_id: Mapped[int] = mapped_column(unique=True)
    """Names the account at the accounting server."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]


class ApiKey(Base):
    """A key of a phone, or of the operator; of its secret only a salted digest is kept."""

    __tablename__ = "tap_api_key"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str | None] = mapped_column(ForeignKey(Account.user_id), index=True)
    """None for the operator."""
    salt: Mapped[bytes]
    digest: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Tap(Base):
    """Two phones that touched each other; the row is the lock under which their halves meet."""

    __tablename__ = "tap_tap"
    __table_args__ = (
        Index("tap_tap_waiting", "created_at", postgresql_where=text("state = 'waiting'")),
        Index("tap_tap_newest", "created_at"),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    """waiting, running, done or failed."""
    errors: Mapped[list[int]] = mapped_column(server_default=text("'{}'"))
    """Numbers of `numbers.py`."""
    outcome: Mapped[str] = mapped_column(server_default="")
    """Of the transfer, as the accounting server says it."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class Half(Base):
    """What one of the two phones has said."""

    __tablename__ = "tap_half"

    key: Mapped[str] = mapped_column(ForeignKey(Tap.key), primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    """send or receive."""
    user_id: Mapped[str] = mapped_column(ForeignKey(Account.user_id), index=True)
    """Whose phone it is."""
    sender_id: Mapped[str]
    """Who pays, as this phone sees it."""
    cents: Mapped[int]
    os: Mapped[str]
    transaction_time: Mapped[str]
    arrived_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Entry(Base):
    """A copy of an entry of an account's ledger, written in the transaction that appended it there."""

    __tablename__ = "tap_entry"
    __table_args__ = (Index("tap_entry_note", "note"),)

    user_id: Mapped[str] = mapped_column(ForeignKey(Account.user_id), primary_key=True)
    ledger_date: Mapped[datetime] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cents: Mapped[int]
    """What has come (> 0) or gone."""
    balance: Mapped[int]
    """After it."""
    note: Mapped[str]
    """The key of the tap, if it is one of ours."""


TABLES: Final = Tables("tap", Base.metadata)
