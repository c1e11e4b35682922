"""who has written a row of the journal, and its seals

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# The service may add months to the journal although it does not own it.
_MAKE_MONTH = """
CREATE FUNCTION make_journal_month(year integer, month integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    name text := format('journal_%s_%s', lpad(year::text, 4, '0'), lpad(month::text, 2, '0'));
    starts timestamptz := make_timestamptz(year, month, 1, 0, 0, 0, 'UTC');
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE journal INCLUDING ALL EXCLUDING IDENTITY)', name);
    EXECUTE format('ALTER TABLE journal ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name,
        extract(epoch FROM starts)::bigint * 1000000,
        extract(epoch FROM (starts AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC')::bigint
            * 1000000);
END $$
"""


def upgrade() -> None:
    """Apply.  The rows that are there get a 0, without being written anew."""
    op.add_column(
        "journal",
        sa.Column(
            "written_by",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="the number of the transaction; 0 before it was kept",
        ),
    )
    op.alter_column(
        "journal", "written_by", server_default=sa.text("(pg_current_xact_id()::text)::bigint")
    )
    op.create_index(
        "journal_written_by",
        "journal",
        ["written_by"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )
    op.create_table(
        "seal",
        sa.Column("seal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("begins_written_by", sa.BigInteger(), nullable=False),
        sa.Column("begins_applied_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_written_by", sa.BigInteger(), nullable=False),
        sa.Column("ends_applied_at", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("rows_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.BigInteger(), nullable=False),
        sa.Column("previous_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column(
            "marks",
            sa.LargeBinary(),
            nullable=False,
            comment="4 bytes of each row, to find what was changed",
        ),
        sa.PrimaryKeyConstraint("seal_id"),
    )
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(_MAKE_MONTH.format(schema=schema))


def downgrade() -> None:
    """Take back."""
    op.execute("DROP FUNCTION make_journal_month(integer, integer)")
    op.drop_table("seal")
    op.drop_index("journal_written_by", table_name="journal")
    op.drop_column("journal", "written_by")
