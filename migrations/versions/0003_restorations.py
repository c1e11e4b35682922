"""restorations

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "restoration",
        sa.Column("restored_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("last_debtor_id", sa.BigInteger(), nullable=True),
        sa.Column("last_creditor_id", sa.BigInteger(), nullable=True),
        sa.Column("accounts", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("restored_at"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("restoration")
