"""initial tables

Revision: 0001, after .
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0001'
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.create_table('account',
    sa.Column('debtor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('creditor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('interest_rate', sa.Double(), nullable=False),
    sa.Column('previous_interest_rate', sa.Double(), nullable=False),
    sa.Column('last_interest_rate_change_ts', sa.BigInteger(), nullable=False),
    sa.Column('last_capitalization_ts', sa.BigInteger(), nullable=False),
    sa.Column('last_config_ts', sa.BigInteger(), nullable=False),
    sa.Column('last_config_seqnum', sa.Integer(), nullable=False),
    sa.Column('last_config_applied_at', sa.BigInteger(), nullable=False),
    sa.Column('negligible_amount', sa.Double(), nullable=False),
    sa.Column('config_flags', sa.Integer(), nullable=False),
    sa.Column('debtor_info_id', sa.Integer(), nullable=False, comment='0 is no information'),
    sa.Column('last_deletion_ts', sa.BigInteger(), nullable=False),
    sa.Column('announced_settings', sa.Integer(), nullable=False),
    sa.Column('deleted', sa.Boolean(), nullable=False),
    sa.Column('overflown', sa.Boolean(), nullable=False),
    sa.Column('last_change_seqnum', sa.Integer(), nullable=False),
    sa.Column('last_change_ts', sa.BigInteger(), nullable=False),
    sa.Column('principal', sa.BigInteger(), nullable=False),
    sa.Column('interest', sa.Double(), nullable=False),
    sa.Column('last_transfer_number', sa.BigInteger(), nullable=False),
    sa.Column('last_transfer_committed_at', sa.BigInteger(), nullable=False),
    sa.Column('last_transfer_id', sa.BigInteger(), nullable=False),
    sa.Column('total_locked_amount', sa.BigInteger(), nullable=False),
    sa.Column('pending_transfers_count', sa.Integer(), nullable=False),
    sa.Column('last_update_ts', sa.BigInteger(), nullable=False),
    sa.Column('last_delayed_update_ts', sa.BigInteger(), nullable=False),
    sa.Column('update_pending_since', sa.BigInteger(), nullable=False, comment='T0 (0) is none'),
    sa.CheckConstraint("negligible_amount >= 0.0 AND negligible_amount < 'Infinity'", name='negligible_amount_is_valid'),
    sa.CheckConstraint('NOT deleted OR (principal = 0 AND interest = 0.0 AND total_locked_amount = 0 AND pending_transfers_count = 0)', name='deleted_means_settled'),
    sa.CheckConstraint('creditor_id <> 0 OR (interest_rate = 0.0 AND debtor_info_id = 0 AND last_transfer_number = 0)', name='root_account_bears_nothing'),
    sa.CheckConstraint('interest BETWEEN -9223372036854775808.0 AND 9223372036854775808.0', name='interest_is_in_range'),
    sa.CheckConstraint('interest_rate BETWEEN -50.0 AND 100.0', name='interest_rate_is_in_range'),
    sa.CheckConstraint('last_transfer_number >= 0', name='transfer_numbers_grow'),
    sa.CheckConstraint('principal >= -9223372036854775807', name='principal_is_contained'),
    sa.CheckConstraint('total_locked_amount >= 0 AND pending_transfers_count >= 0', name='locks_are_counted'),
    sa.PrimaryKeyConstraint('debtor_id', 'creditor_id'),
    postgresql_with={'fillfactor': '70', 'autovacuum_vacuum_scale_factor': '0.05'}
    )
    op.create_table('account_update_due',
    sa.Column('debtor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('creditor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('debtor_id', 'creditor_id')
    )
    op.create_index(op.f('ix_account_update_due_due_at'), 'account_update_due', ['due_at'], unique=False)
    op.create_table('dead_letter',
    sa.Column('dead_letter_id', sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column('received_at', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.Text(), server_default='open', nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('queue', sa.Text(), nullable=False),
    sa.Column('exchange', sa.Text(), nullable=False),
    sa.Column('routing_key', sa.Text(), nullable=False),
    sa.Column('properties', sa.LargeBinary(), nullable=False, comment='the content header, as it came'),
    sa.Column('body', sa.LargeBinary(), nullable=True, comment='at most 65536 bytes; none while too many rows are open'),
    sa.Column('body_size', sa.BigInteger(), nullable=False),
    sa.Column('body_sha256', sa.LargeBinary(), nullable=False),
    sa.Column('settled_at', sa.BigInteger(), nullable=True),
    sa.Column('operator_note', sa.Text(), nullable=True),
    sa.CheckConstraint("state IN ('open', 'returned', 'discarded')", name='state_is_known'),
    sa.PrimaryKeyConstraint('dead_letter_id')
    )
    op.create_index('dead_letter_state', 'dead_letter', ['state', 'dead_letter_id'], unique=False)
    op.create_table('debtor_info',
    sa.Column('debtor_info_id', sa.Integer(), sa.Identity(always=False), nullable=False),
    sa.Column('iri', sa.Text(), nullable=False),
    sa.Column('content_type', sa.Text(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('debtor_info_id')
    )
    op.create_index('debtor_info_content', 'debtor_info', ['iri', 'content_type', 'sha256'], unique=True)
    op.create_table('delivery_attempt',
    sa.Column('body_sha256', sa.LargeBinary(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_attempt_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('body_sha256')
    )
    op.create_table('journal',
    sa.Column('applied_at', sa.BigInteger(), nullable=False),
    sa.Column('journal_id', sa.BigInteger(), sa.Identity(always=False, cache=1000), nullable=False),
    sa.Column('debtor_id', sa.BigInteger(), nullable=False),
    sa.Column('sender_creditor_id', sa.BigInteger(), nullable=False),
    sa.Column('recipient_creditor_id', sa.BigInteger(), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('sender_principal', sa.BigInteger(), nullable=True),
    sa.Column('recipient_principal', sa.BigInteger(), nullable=True),
    sa.Column('sender_created_at', sa.BigInteger(), nullable=True),
    sa.Column('recipient_created_at', sa.BigInteger(), nullable=True),
    sa.Column('sender_transfer_number', sa.BigInteger(), nullable=False),
    sa.Column('recipient_transfer_number', sa.BigInteger(), nullable=False),
    sa.Column('committed_at', sa.BigInteger(), nullable=False),
    sa.Column('transfer_id', sa.BigInteger(), nullable=False, comment='0 for payments of the server'),
    sa.Column('coordinator_id', sa.BigInteger(), nullable=False),
    sa.Column('coordinator_request_id', sa.BigInteger(), nullable=False),
    sa.Column('coordinator_type', sa.Text(), nullable=False),
    sa.Column('transfer_note_format', sa.Text(), nullable=False),
    sa.Column('transfer_note', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('applied_at', 'journal_id'),
    postgresql_partition_by='RANGE (applied_at)'
    )
    op.create_index('journal_recipient', 'journal', ['debtor_id', 'recipient_creditor_id', 'applied_at'], unique=False)
    op.create_index('journal_sender', 'journal', ['debtor_id', 'sender_creditor_id', 'applied_at'], unique=False)
    op.create_table('outbox',
    sa.Column('outbox_id', sa.BigInteger(), sa.Identity(always=False, cache=20), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('publisher_key', sa.BigInteger(), nullable=True),
    sa.Column('type_counts', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('accounts', sa.LargeBinary(), nullable=False, comment='pairs of big-endian int64, packed'),
    sa.Column('payload', sa.LargeBinary(), nullable=False, comment='zlib of JSON lines'),
    sa.Column('attempts', sa.Integer(), server_default='0', nullable=False),
    sa.Column('next_attempt_at', sa.BigInteger(), nullable=True),
    sa.Column('last_failure', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('outbox_id')
    )
    op.create_index('outbox_next_attempt', 'outbox', ['next_attempt_at'], unique=False, postgresql_where=sa.text('publisher_key IS NULL'))
    op.create_table('prepared_transfer',
    sa.Column('debtor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('creditor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('transfer_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('coordinator_id', sa.BigInteger(), nullable=False),
    sa.Column('coordinator_request_id', sa.BigInteger(), nullable=False),
    sa.Column('recipient_creditor_id', sa.BigInteger(), nullable=False),
    sa.Column('locked_amount', sa.BigInteger(), nullable=False),
    sa.Column('prepared_at', sa.BigInteger(), nullable=False),
    sa.Column('deadline', sa.BigInteger(), nullable=False),
    sa.Column('final_interest_rate_ts', sa.BigInteger(), nullable=False),
    sa.Column('last_reminder_ts', sa.BigInteger(), server_default='0', nullable=False, comment='T0 (0) is none'),
    sa.Column('coordinator_type', sa.Text(), nullable=False),
    sa.CheckConstraint('locked_amount >= 0', name='lock_is_not_negative'),
    sa.PrimaryKeyConstraint('debtor_id', 'creditor_id', 'transfer_id'),
    postgresql_with={'autovacuum_vacuum_scale_factor': '0.02', 'autovacuum_vacuum_threshold': '5000'}
    )
    op.create_index('prepared_transfer_recipient', 'prepared_transfer', ['debtor_id', 'recipient_creditor_id'], unique=False)
    op.create_index('prepared_transfer_request', 'prepared_transfer', ['debtor_id', 'creditor_id', 'coordinator_request_id', 'coordinator_id', 'coordinator_type'], unique=True)
    op.create_table('registered_balance_change',
    sa.Column('debtor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('other_creditor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('change_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('creditor_id', sa.BigInteger(), nullable=False),
    sa.Column('principal_delta', sa.BigInteger(), nullable=False),
    sa.Column('committed_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('debtor_id', 'other_creditor_id', 'change_id')
    )
    op.create_table('root_configuration',
    sa.Column('debtor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('config_data', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('debtor_id')
    )
    op.create_table('server_record',
    sa.Column('server_record_id', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('transfer_note_max_bytes', sa.Integer(), nullable=False),
    sa.Column('commit_period', sa.Integer(), nullable=False),
    sa.Column('settings_version', sa.Integer(), nullable=False),
    sa.CheckConstraint('server_record_id = 1', name='there_is_one'),
    sa.PrimaryKeyConstraint('server_record_id')
    )
    op.create_table('settings_propagation',
    sa.Column('debtor_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('requested_at', sa.BigInteger(), nullable=False),
    sa.Column('barrier', sa.BigInteger(), nullable=True, comment='none until the first visit'),
    sa.Column('is_final_pass', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('next_creditor_id', sa.BigInteger(), nullable=True, comment='where the pass goes on; none before it starts'),
    sa.PrimaryKeyConstraint('debtor_id')
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table('settings_propagation')
    op.drop_table('server_record')
    op.drop_table('root_configuration')
    op.drop_table('registered_balance_change')
    op.drop_index('prepared_transfer_request', table_name='prepared_transfer')
    op.drop_index('prepared_transfer_recipient', table_name='prepared_transfer')
    op.drop_table('prepared_transfer')
    op.drop_index('outbox_next_attempt', table_name='outbox', postgresql_where=sa.text('publisher_key IS NULL'))
    op.drop_table('outbox')
    op.drop_index('journal_sender', table_name='journal')
    op.drop_index('journal_recipient', table_name='journal')
    op.drop_table('journal')
    op.drop_table('delivery_attempt')
    op.drop_index('debtor_info_content', table_name='debtor_info')
    op.drop_table('debtor_info')
    op.drop_index('dead_letter_state', table_name='dead_letter')
    op.drop_table('dead_letter')
    op.drop_index(op.f('ix_account_update_due_due_at'), table_name='account_update_due')
    op.drop_table('account_update_due')
    op.drop_table('account')
