"""months of the journal that were closed, and which of their rows were sealed by which seal

Revision: 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "closed_month",
        sa.Column("starts_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("openings", sa.BigInteger(), nullable=False),
        sa.Column("archive_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("dropped_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("starts_at"),
    )
    op.create_table(
        "archived_segment",
        sa.Column("seal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("starts_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seal_id", "starts_at"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("archived_segment")
    op.drop_table("closed_month")
