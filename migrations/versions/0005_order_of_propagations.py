"""the order in which new settings are carried to accounts

Revision: 0005, after 0004.
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "settings_propagation_order", "settings_propagation", ["requested_at", "debtor_id"], unique=False
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("settings_propagation_order", table_name="settings_propagation")
