"""requests that wait for another shard

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "waiting_request",
        sa.Column("debtor_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("creditor_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("coordinator_type", sa.Text(), nullable=False),
        sa.Column("coordinator_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("coordinator_request_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recipient_creditor_id", sa.BigInteger(), nullable=False),
        sa.Column("min_locked_amount", sa.BigInteger(), nullable=False),
        sa.Column("max_locked_amount", sa.BigInteger(), nullable=False),
        sa.Column("final_interest_rate_ts", sa.BigInteger(), nullable=False),
        sa.Column("max_commit_delay", sa.Integer(), nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        sa.Column("waiting_since", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "debtor_id", "creditor_id", "coordinator_type", "coordinator_id", "coordinator_request_id"
        ),
    )
    op.create_index("waiting_request_next_attempt", "waiting_request", ["next_attempt_at"], unique=False)
    op.create_index("waiting_request_since", "waiting_request", ["waiting_since"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("waiting_request")
