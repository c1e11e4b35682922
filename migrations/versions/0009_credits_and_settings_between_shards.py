"""credits and settings between shards

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "credit_flow",
        sa.Column("flow_id", sa.BigInteger(), sa.Identity(always=False, cache=100), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("emitted", sa.Numeric(), nullable=False),
        sa.Column("applied", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("flow_id"),
    )
    op.create_index("credit_flow_debtor", "credit_flow", ["debtor_id"], unique=False)
    op.create_table(
        "foreign_currency",
        sa.Column("debtor_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("config_data", sa.Text(), nullable=True, comment="none: there is no root account"),
        sa.Column("read_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_read_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("debtor_id"),
    )
    op.create_index("foreign_currency_next_read", "foreign_currency", ["next_read_at"], unique=False)
    op.create_table(
        "settings_due",
        sa.Column("debtor_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("creditor_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("debtor_id", "creditor_id"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("settings_due")
    op.drop_table("foreign_currency")
    op.drop_table("credit_flow")
