"""The tables of one shard of several: what waits for the others, has left for them, or comes from them.

Moments are as in `models`.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Text,
)

from swpt_accounts.wire.moments import T0

from .models import db


class WaitingRequest(db.Model):  # type: ignore[name-defined,misc]
    """A PrepareTransfer whose recipient lives on another shard that has not answered yet.

    See rules.md#waiting-requests.  Until `next_attempt_at` one process has it in hand.
    """

    __tablename__ = "waiting_request"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    creditor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    coordinator_type = Column(Text, primary_key=True)
    coordinator_id = Column(BigInteger, primary_key=True, autoincrement=False)
    coordinator_request_id = Column(BigInteger, primary_key=True, autoincrement=False)
    recipient_creditor_id = Column(BigInteger, nullable=False)
    min_locked_amount = Column(BigInteger, nullable=False)
    max_locked_amount = Column(BigInteger, nullable=False)
    final_interest_rate_ts = Column(BigInteger, nullable=False)
    max_commit_delay = Column(Integer, nullable=False)
    ts = Column(BigInteger, nullable=False)
    waiting_since = Column(BigInteger, nullable=False)
    attempts = Column(Integer, nullable=False, server_default="0")
    next_attempt_at = Column(BigInteger, nullable=False)

    __table_args__ = (
        Index("waiting_request_next_attempt", "next_attempt_at"),
        Index("waiting_request_since", "waiting_since"),
    )


class CreditFlow(db.Model):  # type: ignore[name-defined,misc]
    """Money of a currency that has left for other shards, and that has come from them.

    Each transaction adds a row for each debtor, so that nobody waits for anybody; a chore adds rows up.  The
    slot (rules/flows.py) is that of the moment at which the transfer was committed, for a few hours, then 0.
    On every shard and at every moment the principals are what was applied minus what was emitted (rule V3).
    """

    __tablename__ = "credit_flow"

    flow_id = Column(BigInteger, Identity(cache=100), primary_key=True)
    debtor_id = Column(BigInteger, nullable=False)
    committed_slot = Column(BigInteger, nullable=False, server_default="0")
    emitted = Column(Numeric, nullable=False)
    applied = Column(Numeric, nullable=False)

    __table_args__ = (Index("credit_flow_debtor", "debtor_id"),)


class ForeignCurrency(db.Model):  # type: ignore[name-defined,misc]
    """The settings of a currency whose root account is on another shard, as they were read last.

    `read_at` is T0 until they are read for the first time.  Until `next_read_at` one process has it in hand.
    """

    __tablename__ = "foreign_currency"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    config_data = Column(Text, comment="none: there is no root account")
    read_at = Column(BigInteger, nullable=False, server_default=str(T0))
    next_read_at = Column(BigInteger, nullable=False)
    attempts = Column(Integer, nullable=False, server_default="0")

    __table_args__ = (Index("foreign_currency_next_read", "next_read_at"),)


class SettingsDue(db.Model):  # type: ignore[name-defined,misc]
    """A new or revived account that waits for the settings of its currency, from another shard."""

    __tablename__ = "settings_due"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    creditor_id = Column(BigInteger, primary_key=True, autoincrement=False)


class ShardRecordRow(db.Model):  # type: ignore[name-defined,misc]
    """Which part of all accounts this database has, and how far its split is.  One row."""

    __tablename__ = "shard_record"

    shard_record_id = Column(SmallInteger, primary_key=True, autoincrement=False)
    realm = Column(Text, nullable=False, comment="as the binding key of its queue")
    realm_since = Column(BigInteger, nullable=False)
    left_queue = Column(Text)
    right_queue = Column(Text)
    split_begun_at = Column(BigInteger)
    split_closed_at = Column(BigInteger)

    __table_args__ = (CheckConstraint("shard_record_id = 1", name="there_is_one_shard"),)
