"""admin

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "chore",
        sa.Column(
            "requested_at",
            sa.BigInteger(),
            nullable=True,
            comment="when an operator asked to do it now; none if nobody waits",
        ),
    )
    _create_refusal()
    _create_debtor_summary()
    _create_access()


def _create_refusal() -> None:
    op.create_table(
        "refusal",
        sa.Column("refused_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("refusal_id", sa.BigInteger(), sa.Identity(always=False, cache=100), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("creditor_id", sa.BigInteger(), nullable=False),
        sa.Column("coordinator_type", sa.Text(), nullable=True),
        sa.Column("coordinator_id", sa.BigInteger(), nullable=True),
        sa.Column("coordinator_request_id", sa.BigInteger(), nullable=True),
        sa.Column("transfer_id", sa.BigInteger(), nullable=True),
        sa.Column("total_locked_amount", sa.BigInteger(), nullable=True),
        sa.Column("config_ts", sa.BigInteger(), nullable=True),
        sa.Column("config_seqnum", sa.Integer(), nullable=True),
        sa.Column("config_flags", sa.Integer(), nullable=True),
        sa.Column("negligible_amount", sa.Double(), nullable=True),
        sa.Column("config_data", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('transfer', 'commit', 'configuration')", name="kind_is_known"),
        sa.PrimaryKeyConstraint("refused_at", "refusal_id"),
    )
    op.create_index(
        "refusal_account", "refusal", ["debtor_id", "creditor_id", "refused_at", "refusal_id"], unique=False
    )
    op.create_index("refusal_debtor", "refusal", ["debtor_id", "refused_at", "refusal_id"], unique=False)


def _create_debtor_summary() -> None:
    op.create_table(
        "debtor_summary",
        sa.Column("debtor_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("summarized_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "accounts", sa.BigInteger(), nullable=False, comment="neither deleted ones nor the root account"
        ),
        sa.Column("deleted_accounts", sa.BigInteger(), nullable=False),
        sa.Column("overflown_accounts", sa.BigInteger(), nullable=False),
        sa.Column(
            "issued", sa.Numeric(40, 0), nullable=False, comment="minus the principal of the root account"
        ),
        sa.Column("principals", sa.Numeric(40, 0), nullable=False, comment="the sum of all"),
        sa.Column("locked", sa.Numeric(40, 0), nullable=False),
        sa.Column("prepared_transfers", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("debtor_id"),
    )


def _create_access() -> None:
    op.create_table(
        "api_token",
        sa.Column("api_token_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False, comment="the first characters, to recognize it"),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True, comment="none: never"),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'operator')", name="role_is_known"),
        sa.PrimaryKeyConstraint("api_token_id"),
        sa.UniqueConstraint("token_sha256"),
    )
    op.create_table(
        "admin_session",
        sa.Column("session_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("api_token_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_sha256"),
    )
    op.create_index("ix_admin_session_seen_at", "admin_session", ["seen_at"], unique=False)
    op.create_table(
        "admin_key",
        sa.Column("admin_key_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("admin_key_id = 1", name="there_is_one_key"),
        sa.PrimaryKeyConstraint("admin_key_id"),
    )


def downgrade() -> None:
    """Take back."""
    for table in ("admin_key", "admin_session", "api_token", "debtor_summary", "refusal"):
        op.drop_table(table)
    op.drop_column("chore", "requested_at")
