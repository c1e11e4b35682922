"""The tables.  Their names begin with `smp_`, so that they can stand beside those of an application.

Records are JSON (see `packing`); what is looked for has a column of its own.  Moments are
microseconds since 1970.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata: Final = MetaData()

ACCOUNT_FILLFACTOR: Final = 60
"""Percent of a page.  Each entry of a ledger changes its account, and nothing that is in an index: where
there is room, the new version stays in its page, and no index hears of it."""

_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""Of rows: SQLite counts by itself only in columns of this one type."""

account: Final = Table(
    "smp_account",
    metadata,
    Column("debtor_id", BigInteger, nullable=False),
    Column("creditor_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", BigInteger),
    Column("record", Text, nullable=False),
    PrimaryKeyConstraint("debtor_id", "creditor_id"),
    postgresql_with={"fillfactor": ACCOUNT_FILLFACTOR},
)
ledger_entry: Final = Table(
    "smp_ledger_entry",
    metadata,
    Column("debtor_id", BigInteger, nullable=False),
    Column("creditor_id", BigInteger, nullable=False),
    Column("creation_date", Date, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("acquired_amount", BigInteger, nullable=False),
    Column("principal", BigInteger, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("record", Text, nullable=False),
    PrimaryKeyConstraint("debtor_id", "creditor_id", "creation_date", "number"),
    Index("smp_ledger_entry_added_at", "added_at"),
)
stored_transfer: Final = Table(
    "smp_stored_transfer",
    metadata,
    Column("debtor_id", BigInteger, nullable=False),
    Column("creditor_id", BigInteger, nullable=False),
    Column("creation_date", Date, nullable=False),
    Column("transfer_number", BigInteger, nullable=False),
    Column("arrived_at", BigInteger, nullable=False),
    Column("record", Text, nullable=False),
    PrimaryKeyConstraint("debtor_id", "creditor_id", "creation_date", "transfer_number"),
)
transfer: Final = Table(
    "smp_transfer",
    metadata,
    Column("key", Text, primary_key=True),
    Column("coordinator_type", Text, nullable=False),
    Column("coordinator_id", BigInteger, nullable=False),
    Column("coordinator_request_id", BigInteger, nullable=False),
    Column("bundle_key", Text),
    Column("state", Text, nullable=False),
    Column("due_at", BigInteger),
    Column("record", Text, nullable=False),
    UniqueConstraint("coordinator_id", "coordinator_request_id", "coordinator_type"),
)
bundle: Final = Table(
    "smp_bundle",
    metadata,
    Column("key", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("due_at", BigInteger),
    Column("record", Text, nullable=False),
)
outbox: Final = Table(
    "smp_outbox",
    metadata,
    Column("id", _NUMBER, primary_key=True),
    Column("owner", Text, nullable=False, server_default=""),
    Column("claimed_until", BigInteger, nullable=False, server_default="0"),
    Column("message_count", Integer, nullable=False),
    Column("messages", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
dead_letter: Final = Table(
    "smp_dead_letter",
    metadata,
    Column("id", _NUMBER, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("properties", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Index("smp_dead_letter_state", "state", "id"),
    sqlite_autoincrement=True,
)
meta: Final = Table(
    "smp_meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

for _table in (account, transfer, bundle):
    Index(
        f"{_table.name}_due_at",
        _table.c.due_at,
        postgresql_where=_table.c.due_at.isnot(None),
        sqlite_where=_table.c.due_at.isnot(None),
    )
for _table in (transfer, bundle):
    _is_open = _table.c.state.in_(
        ("initiated", "prepared", "settled", "parked")
        if _table is transfer
        else ("preparing", "dismissing", "committing", "repairing", "reversing", "torn", "parked")
    )
    Index(f"{_table.name}_open", _table.c.key, postgresql_where=_is_open, sqlite_where=_is_open)
