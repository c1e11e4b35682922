"""The tables of operators: chores, audit, refusals, summaries, and who may enter the admin API.

Moments are as in `models`.  No rule of the protocol reads these tables.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from .models import db


class ChoreRecord(db.Model):  # type: ignore[name-defined,misc]
    """How a chore goes: where its pass is, and how the last one went (see `chores`).

    Seconds are durations.  `position` and `pass_started_at` are none between two passes.
    """

    __tablename__ = "chore"

    name = Column(Text, primary_key=True)
    period_seconds = Column(Double, nullable=False)
    pass_started_at = Column(BigInteger)
    position = Column(JSONB)
    pass_rows = Column(BigInteger, nullable=False, server_default="0")
    pass_seconds = Column(Double, nullable=False, server_default="0")
    last_started_at = Column(BigInteger)
    last_finished_at = Column(BigInteger)
    last_rows = Column(BigInteger, nullable=False, server_default="0")
    last_seconds = Column(Double, nullable=False, server_default="0")
    requested_at = Column(BigInteger, comment="when an operator asked to do it now; none if nobody waits")


class Audit(db.Model):  # type: ignore[name-defined,misc]
    """What an operator has changed, when, and from where."""

    __tablename__ = "audit"

    audit_id = Column(BigInteger, Identity(), primary_key=True)
    happened_at = Column(BigInteger, nullable=False)
    operator = Column(Text, nullable=False)
    origin = Column(Text, nullable=False)
    action = Column(Text, nullable=False)
    target = Column(Text, nullable=False)
    detail = Column(Text, nullable=False)

    __table_args__ = (Index("audit_happened_at", "happened_at"),)


class Restoration(db.Model):  # type: ignore[name-defined,misc]
    """A restoration from a backup, after which all counters are raised (rules.md#after-a-restore).

    The accounts up to the position are done; `finished_at` is none until all are.
    """

    __tablename__ = "restoration"

    restored_at = Column(BigInteger, primary_key=True, autoincrement=False)
    started_at = Column(BigInteger, nullable=False)
    finished_at = Column(BigInteger)
    last_debtor_id = Column(BigInteger)
    last_creditor_id = Column(BigInteger)
    accounts = Column(BigInteger, nullable=False, server_default="0")


class ClosedMonth(db.Model):  # type: ignore[name-defined,misc]
    """A month that was taken out of the journal (rules.md#closed-months)."""

    __tablename__ = "closed_month"

    starts_at = Column(BigInteger, primary_key=True, autoincrement=False)
    ends_at = Column(BigInteger, nullable=False)
    table_name = Column(Text, nullable=False)
    row_count = Column(BigInteger, nullable=False)
    openings = Column(BigInteger, nullable=False)
    archive_sha256 = Column(LargeBinary, nullable=False)
    closed_at = Column(BigInteger, nullable=False)
    dropped_at = Column(BigInteger)


class ArchivedSegment(db.Model):  # type: ignore[name-defined,misc]
    """How many rows of a seal are in a closed month, and not in the journal any more."""

    __tablename__ = "archived_segment"

    seal_id = Column(BigInteger, primary_key=True, autoincrement=False)
    starts_at = Column(BigInteger, primary_key=True, autoincrement=False)
    row_count = Column(BigInteger, nullable=False)


class Refusal(db.Model):  # type: ignore[name-defined,misc]
    """A request that was refused, so that operators can see why.  Kept for some days.

    `kind` is transfer (RejectedTransfer), commit (a failed FinalizedTransfer) or configuration
    (RejectedConfig); columns that the kind does not have are none, and so are the numbers with which it
    was decided, from `recipient` on, if version 0.1 has written the row.
    """

    __tablename__ = "refusal"

    refused_at = Column(BigInteger, primary_key=True, autoincrement=False)
    refusal_id = Column(BigInteger, Identity(cache=100), primary_key=True)
    kind = Column(Text, nullable=False)
    code = Column(Text, nullable=False)
    debtor_id = Column(BigInteger, nullable=False)
    creditor_id = Column(BigInteger, nullable=False)
    coordinator_type = Column(Text)
    coordinator_id = Column(BigInteger)
    coordinator_request_id = Column(BigInteger)
    transfer_id = Column(BigInteger)
    total_locked_amount = Column(BigInteger)
    config_ts = Column(BigInteger)
    config_seqnum = Column(Integer)
    config_flags = Column(Integer)
    negligible_amount = Column(Double)
    config_data = Column(Text)
    recipient = Column(Text)
    min_locked_amount = Column(BigInteger)
    max_locked_amount = Column(BigInteger)
    committed_amount = Column(BigInteger)
    locked_amount = Column(BigInteger)
    available_amount = Column(BigInteger)
    pending_transfers_count = Column(Integer)
    max_prepared_transfers = Column(Integer)
    transfer_note_bytes = Column(Integer)
    transfer_note_max_bytes = Column(Integer)
    prepared_at = Column(BigInteger)
    deadline = Column(BigInteger)
    final_interest_rate_ts = Column(BigInteger)
    last_interest_rate_change_ts = Column(BigInteger)

    __table_args__ = (
        CheckConstraint("kind IN ('transfer', 'commit', 'configuration')", name="kind_is_known"),
        Index("refusal_account", "debtor_id", "creditor_id", "refused_at", "refusal_id"),
        Index("refusal_debtor", "debtor_id", "refused_at", "refusal_id"),
        Index("refusal_request", "coordinator_request_id", "refused_at", "refusal_id"),
    )


class DebtorSummary(db.Model):  # type: ignore[name-defined,misc]
    """What a currency amounts to, counted by a chore in one snapshot per currency.

    The sums are of all accounts of this shard, the root account included, so that `principals` is
    0 if this is the only shard.  The rows are few and small: metrics and lists read nothing else.
    """

    __tablename__ = "debtor_summary"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    summarized_at = Column(BigInteger, nullable=False)
    accounts = Column(BigInteger, nullable=False, comment="neither deleted ones nor the root account")
    deleted_accounts = Column(BigInteger, nullable=False)
    overflown_accounts = Column(BigInteger, nullable=False)
    issued = Column(Numeric(40, 0), nullable=False, comment="minus the principal of the root account")
    principals = Column(Numeric(40, 0), nullable=False, comment="the sum of all")
    locked = Column(Numeric(40, 0), nullable=False)
    prepared_transfers = Column(BigInteger, nullable=False)


class ApiToken(db.Model):  # type: ignore[name-defined,misc]
    """Who may enter the admin API and the console.  The token itself was shown once, and is not here."""

    __tablename__ = "api_token"

    api_token_id = Column(BigInteger, Identity(), primary_key=True)
    name = Column(Text, nullable=False)
    role = Column(Text, nullable=False)
    prefix = Column(Text, nullable=False, comment="the first characters, to recognize it")
    token_sha256 = Column(LargeBinary, nullable=False, unique=True)
    created_at = Column(BigInteger, nullable=False)
    expires_at = Column(BigInteger, comment="none: never")
    revoked_at = Column(BigInteger)

    __table_args__ = (CheckConstraint("role IN ('viewer', 'operator')", name="role_is_known"),)


class AdminSession(db.Model):  # type: ignore[name-defined,misc]
    """A login to the console.  It ends with its token, by logging out, or by time."""

    __tablename__ = "admin_session"

    session_sha256 = Column(LargeBinary, primary_key=True)
    api_token_id = Column(BigInteger, nullable=False)
    created_at = Column(BigInteger, nullable=False)
    seen_at = Column(BigInteger, nullable=False, index=True)


class AdminKey(db.Model):  # type: ignore[name-defined,misc]
    """The random key that signs cookies and page tokens, shared by all processes.  One row."""

    __tablename__ = "admin_key"

    admin_key_id = Column(SmallInteger, primary_key=True, autoincrement=False)
    secret = Column(LargeBinary, nullable=False)

    __table_args__ = (CheckConstraint("admin_key_id = 1", name="there_is_one_key"),)
