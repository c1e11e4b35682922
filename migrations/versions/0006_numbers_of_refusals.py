"""refusals keep the numbers with which they were decided, and are found by the request of their coordinator

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_COLUMNS = {
    "recipient": sa.Text(),
    "min_locked_amount": sa.BigInteger(),
    "max_locked_amount": sa.BigInteger(),
    "committed_amount": sa.BigInteger(),
    "locked_amount": sa.BigInteger(),
    "available_amount": sa.BigInteger(),
    "pending_transfers_count": sa.Integer(),
    "max_prepared_transfers": sa.Integer(),
    "transfer_note_bytes": sa.Integer(),
    "transfer_note_max_bytes": sa.Integer(),
    "prepared_at": sa.BigInteger(),
    "deadline": sa.BigInteger(),
    "final_interest_rate_ts": sa.BigInteger(),
    "last_interest_rate_change_ts": sa.BigInteger(),
}


def upgrade() -> None:
    """Apply.  Processes of the version before leave the new columns empty."""
    # The index first: reading goes on while it is made, and the stronger lock is held for a moment only.
    op.create_index(
        "refusal_request", "refusal", ["coordinator_request_id", "refused_at", "refusal_id"], unique=False
    )
    for name, kind in _COLUMNS.items():
        op.add_column("refusal", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    """Take back."""
    for name in reversed(_COLUMNS):
        op.drop_column("refusal", name)
    op.drop_index("refusal_request", table_name="refusal")
