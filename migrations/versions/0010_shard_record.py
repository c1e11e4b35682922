"""which part of all accounts a database has, and when money between shards was committed

Revision: 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply.  Processes of the version before count all money between shards as old."""
    op.add_column(
        "credit_flow", sa.Column("committed_slot", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.create_table(
        "shard_record",
        sa.Column("shard_record_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("realm", sa.Text(), nullable=False, comment="as the binding key of its queue"),
        sa.Column("realm_since", sa.BigInteger(), nullable=False),
        sa.Column("left_queue", sa.Text(), nullable=True),
        sa.Column("right_queue", sa.Text(), nullable=True),
        sa.Column("split_begun_at", sa.BigInteger(), nullable=True),
        sa.Column("split_closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("shard_record_id = 1", name="there_is_one_shard"),
        sa.PrimaryKeyConstraint("shard_record_id"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("shard_record")
    op.drop_column("credit_flow", "committed_slot")
