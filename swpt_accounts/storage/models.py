"""The tables (rules.md#what-is-kept).

Every moment is a bigint of microseconds since 1970 UTC (see `moments.py`); SQL can read
one with `to_timestamp(column / 1e6)`.  The hot path writes these tables with SQL of its
own (`procedures`), so the constraints here state the invariants once more.
"""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from swpt_accounts.wire.moments import T0
from swpt_accounts.wire.numbers import MAX_INT64

db = SQLAlchemy()


class Account(db.Model):  # type: ignore[name-defined,misc]
    """An account.  Columns that transfers change stand last and together: PostgreSQL then logs
    only that part of an updated row.  None of them is indexed, so that updates stay in the page.
    """

    __tablename__ = "account"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    creditor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    created_at = Column(BigInteger, nullable=False)
    interest_rate = Column(Double, nullable=False)
    previous_interest_rate = Column(Double, nullable=False)
    last_interest_rate_change_ts = Column(BigInteger, nullable=False)
    last_capitalization_ts = Column(BigInteger, nullable=False)
    last_config_ts = Column(BigInteger, nullable=False)
    last_config_seqnum = Column(Integer, nullable=False)
    last_config_applied_at = Column(BigInteger, nullable=False)
    negligible_amount = Column(Double, nullable=False)
    config_flags = Column(Integer, nullable=False)
    debtor_info_id = Column(Integer, nullable=False, comment="0 is no information")
    last_deletion_ts = Column(BigInteger, nullable=False)
    announced_settings = Column(Integer, nullable=False)
    is_deleted = Column("deleted", db.Boolean, nullable=False)
    is_overflown = Column("overflown", db.Boolean, nullable=False)
    last_change_seqnum = Column(Integer, nullable=False)
    last_change_ts = Column(BigInteger, nullable=False)
    principal = Column(BigInteger, nullable=False)
    interest = Column(Double, nullable=False)
    last_transfer_number = Column(BigInteger, nullable=False)
    last_transfer_committed_at = Column(BigInteger, nullable=False)
    last_transfer_id = Column(BigInteger, nullable=False)
    total_locked_amount = Column(BigInteger, nullable=False)
    pending_transfers_count = Column(Integer, nullable=False)
    last_update_ts = Column(BigInteger, nullable=False)
    last_delayed_update_ts = Column(BigInteger, nullable=False)
    update_pending_since = Column(BigInteger, nullable=False, comment="T0 (0) is none")

    __table_args__ = (
        CheckConstraint(f"principal >= -{MAX_INT64}", name="principal_is_contained"),
        CheckConstraint(
            "total_locked_amount >= 0 AND pending_transfers_count >= 0", name="locks_are_counted"
        ),
        CheckConstraint(
            "negligible_amount >= 0.0 AND negligible_amount < 'Infinity'", name="negligible_amount_is_valid"
        ),
        CheckConstraint("interest_rate BETWEEN -50.0 AND 100.0", name="interest_rate_is_in_range"),
        CheckConstraint(
            "interest BETWEEN -9223372036854775808.0 AND 9223372036854775808.0", name="interest_is_in_range"
        ),
        CheckConstraint("last_transfer_number >= 0", name="transfer_numbers_grow"),
        CheckConstraint(
            "NOT deleted OR (principal = 0 AND interest = 0.0"
            " AND total_locked_amount = 0 AND pending_transfers_count = 0)",
            name="deleted_means_settled",
        ),
        CheckConstraint(
            "creditor_id <> 0 OR (interest_rate = 0.0 AND debtor_info_id = 0 AND last_transfer_number = 0)",
            name="root_account_bears_nothing",
        ),
        {"postgresql_with": {"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0.05"}},
    )


class DebtorInfo(db.Model):  # type: ignore[name-defined,misc]
    """A debtor's information document, as accounts announce it.  Rows never change."""

    __tablename__ = "debtor_info"

    debtor_info_id = Column(Integer, Identity(), primary_key=True)
    iri = Column(Text, nullable=False)
    content_type = Column(Text, nullable=False)
    sha256 = Column(Text, nullable=False)

    __table_args__ = (Index("debtor_info_content", "iri", "content_type", "sha256", unique=True),)


class RootConfiguration(db.Model):  # type: ignore[name-defined,misc]
    """The `config_data` of a root account that is not empty."""

    __tablename__ = "root_configuration"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    config_data = Column(Text, nullable=False)


class SettingsPropagation(db.Model):  # type: ignore[name-defined,misc]
    """A job: carry the settings of a currency to its accounts (rules.md#carrying-settings-to-all-accounts).

    `barrier` is a transaction id: a pass that starts while an older transaction runs may miss the
    account that it creates, so that only a pass that starts later is the last one.
    """

    __tablename__ = "settings_propagation"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    requested_at = Column(BigInteger, nullable=False)
    barrier = Column(BigInteger, comment="none until the first visit")
    is_final_pass = Column(db.Boolean, nullable=False, server_default=text("false"))
    next_creditor_id = Column(BigInteger, comment="where the pass goes on; none before it starts")

    __table_args__ = (Index("settings_propagation_order", "requested_at", "debtor_id"),)


class PreparedTransfer(db.Model):  # type: ignore[name-defined,misc]
    """A prepared transfer waits for its finalization (rules.md#prepared-transfers)."""

    __tablename__ = "prepared_transfer"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    creditor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    transfer_id = Column(BigInteger, primary_key=True, autoincrement=False)
    coordinator_id = Column(BigInteger, nullable=False)
    coordinator_request_id = Column(BigInteger, nullable=False)
    recipient_creditor_id = Column(BigInteger, nullable=False)
    locked_amount = Column(BigInteger, nullable=False)
    prepared_at = Column(BigInteger, nullable=False)
    deadline = Column(BigInteger, nullable=False)
    final_interest_rate_ts = Column(BigInteger, nullable=False)
    last_reminder_ts = Column(BigInteger, nullable=False, server_default=str(T0), comment="T0 (0) is none")
    coordinator_type = Column(Text, nullable=False)

    __table_args__ = (
        CheckConstraint("locked_amount >= 0", name="lock_is_not_negative"),
        Index(
            "prepared_transfer_request",
            "debtor_id",
            "creditor_id",
            "coordinator_request_id",
            "coordinator_id",
            "coordinator_type",
            unique=True,
        ),
        Index("prepared_transfer_recipient", "debtor_id", "recipient_creditor_id"),
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0.02",
                "autovacuum_vacuum_threshold": "5000",
            }
        },
    )


class RegisteredBalanceChange(db.Model):  # type: ignore[name-defined,misc]
    """A cross-shard credit that is applied already (rules.md#registry-of-credits)."""

    __tablename__ = "registered_balance_change"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    other_creditor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    change_id = Column(BigInteger, primary_key=True, autoincrement=False)
    creditor_id = Column(BigInteger, nullable=False)
    principal_delta = Column(BigInteger, nullable=False)
    committed_at = Column(BigInteger, nullable=False)


class AccountUpdateDue(db.Model):  # type: ignore[name-defined,misc]
    """An account whose balance change is not announced yet (rules.md#balance-changes)."""

    __tablename__ = "account_update_due"

    debtor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    creditor_id = Column(BigInteger, primary_key=True, autoincrement=False)
    due_at = Column(BigInteger, nullable=False, index=True)


class Journal(db.Model):  # type: ignore[name-defined,misc]
    """A committed transfer, partitioned by the month in which it was applied.

    A party on another shard has no principal here.  A transfer number of 0 means that no
    AccountTransfer was sent to that party.
    """

    __tablename__ = "journal"

    applied_at = Column(BigInteger, primary_key=True)
    journal_id = Column(BigInteger, Identity(cache=1000), primary_key=True)
    debtor_id = Column(BigInteger, nullable=False)
    sender_creditor_id = Column(BigInteger, nullable=False)
    recipient_creditor_id = Column(BigInteger, nullable=False)
    amount = Column(BigInteger, nullable=False)
    sender_principal = Column(BigInteger)
    recipient_principal = Column(BigInteger)
    sender_created_at = Column(BigInteger)
    recipient_created_at = Column(BigInteger)
    sender_transfer_number = Column(BigInteger, nullable=False)
    recipient_transfer_number = Column(BigInteger, nullable=False)
    committed_at = Column(BigInteger, nullable=False)
    transfer_id = Column(BigInteger, nullable=False, comment="0 for payments of the server")
    coordinator_id = Column(BigInteger, nullable=False)
    coordinator_request_id = Column(BigInteger, nullable=False)
    coordinator_type = Column(Text, nullable=False)
    transfer_note_format = Column(Text, nullable=False)
    transfer_note = Column(Text, nullable=False)
    written_by = Column(
        BigInteger,
        nullable=False,
        server_default=text("(pg_current_xact_id()::text)::bigint"),
        comment="the number of the transaction; 0 before it was kept",
    )

    __table_args__ = (
        Index("journal_sender", "debtor_id", "sender_creditor_id", "applied_at"),
        Index("journal_recipient", "debtor_id", "recipient_creditor_id", "applied_at"),
        # Rows stand nearly in this order, so that a summary of each megabyte is index enough.
        Index(
            "journal_written_by",
            "written_by",
            postgresql_using="brin",
            postgresql_with={"autosummarize": "on"},
        ),
        {"postgresql_partition_by": "RANGE (applied_at)"},
    )


class SealRecord(db.Model):  # type: ignore[name-defined,misc]
    """A seal of a segment of the journal (rules.md#seals).  Rows never change."""

    __tablename__ = "seal"

    seal_id = Column(BigInteger, primary_key=True, autoincrement=False)
    begins_written_by = Column(BigInteger, nullable=False)
    begins_applied_at = Column(BigInteger, nullable=False)
    ends_written_by = Column(BigInteger, nullable=False)
    ends_applied_at = Column(BigInteger, nullable=False)
    row_count = Column(BigInteger, nullable=False)
    rows_sha256 = Column(LargeBinary, nullable=False)
    sealed_at = Column(BigInteger, nullable=False)
    previous_sha256 = Column(LargeBinary, nullable=False)
    sha256 = Column(LargeBinary, nullable=False)
    marks = Column(LargeBinary, nullable=False, comment="4 bytes of each row, to find what was changed")


class Outbox(db.Model):  # type: ignore[name-defined,misc]
    """Events that the broker has not confirmed yet: those of a batch, or leftovers that go on together.

    A batch row belongs to the process that holds the advisory lock `publisher_key`.  A row
    without one belongs to the relay, which tries it again at `next_attempt_at`.

    A message that an operator has put back has a row of its own, with a payload that is no zlib
    stream (see `returned`), and with no accounts: after a split both shards may send it.
    """

    __tablename__ = "outbox"

    outbox_id = Column(BigInteger, Identity(cache=20), primary_key=True)
    created_at = Column(BigInteger, nullable=False)
    publisher_key = Column(BigInteger)
    type_counts = Column(JSONB, nullable=False)
    accounts = Column(LargeBinary, nullable=False, comment="pairs of big-endian int64, packed")
    payload = Column(LargeBinary, nullable=False, comment="zlib of JSON lines")
    attempts = Column(Integer, nullable=False, server_default="0")
    next_attempt_at = Column(BigInteger)
    last_failure = Column(Text)

    __table_args__ = (
        Index("outbox_next_attempt", "next_attempt_at", postgresql_where=text("publisher_key IS NULL")),
    )


class DeadLetter(db.Model):  # type: ignore[name-defined,misc]
    """A message that was refused for its form, with the reason (rules.md#dead-letters)."""

    __tablename__ = "dead_letter"

    dead_letter_id = Column(BigInteger, Identity(), primary_key=True)
    received_at = Column(BigInteger, nullable=False)
    state = Column(Text, nullable=False, server_default="open")
    reason = Column(Text, nullable=False)
    detail = Column(Text, nullable=False)
    queue = Column(Text, nullable=False)
    exchange = Column(Text, nullable=False)
    routing_key = Column(Text, nullable=False)
    properties = Column(LargeBinary, nullable=False, comment="the content header, as it came")
    body = Column(LargeBinary, comment="at most 65536 bytes; none while too many rows are open")
    body_size = Column(BigInteger, nullable=False)
    body_sha256 = Column(LargeBinary, nullable=False)
    settled_at = Column(BigInteger)
    operator_note = Column(Text)

    __table_args__ = (
        CheckConstraint("state IN ('open', 'returned', 'discarded')", name="state_is_known"),
        Index("dead_letter_state", "state", "dead_letter_id"),
    )


class DeliveryAttempt(db.Model):  # type: ignore[name-defined,misc]
    """Lone tries of a message that broke its batch, so that a crash counts as well."""

    __tablename__ = "delivery_attempt"

    body_sha256 = Column(LargeBinary, primary_key=True)
    attempts = Column(Integer, nullable=False)
    last_attempt_at = Column(BigInteger, nullable=False)


class ServerRecord(db.Model):  # type: ignore[name-defined,misc]
    """What this database has promised to its clients (rules.md#server-record).  One row."""

    __tablename__ = "server_record"

    server_record_id = Column(SmallInteger, primary_key=True, autoincrement=False)
    transfer_note_max_bytes = Column(Integer, nullable=False)
    commit_period = Column(Integer, nullable=False)
    settings_version = Column(Integer, nullable=False)

    __table_args__ = (CheckConstraint("server_record_id = 1", name="there_is_one"),)
