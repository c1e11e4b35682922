"""Rows become values by their places: columns and fields have to stand in the same order."""

import pytest

from swpt_accounts.operators.inspection import ledger
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.facts import Credit, Entry
from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.storage import models
from swpt_accounts.transactions.columns import (
    ACCOUNT_COLUMNS,
    CREDIT_COLUMNS,
    CREDIT_KEY,
    FIRST_BALANCE_COLUMN,
    JOURNAL_COLUMNS,
    TRANSFER_COLUMNS,
)

# The fields that have another name in the table, or hold a value where the table has its number.
RENAMED = {"is_deleted": "deleted", "is_overflown": "overflown", "debtor_info": "debtor_info_id"}


@pytest.mark.parametrize(
    ("columns", "struct", "table"),
    [
        (ACCOUNT_COLUMNS, Account, "account"),
        (TRANSFER_COLUMNS, PreparedTransfer, "prepared_transfer"),
        (JOURNAL_COLUMNS, Entry, "journal"),
        (CREDIT_COLUMNS[len(CREDIT_KEY) :], Credit, "registered_balance_change"),
    ],
)
def test_columns_stand_as_the_fields_do(columns, struct, table):
    """Whoever adds a field meets this before a value stands in a wrong column."""
    assert columns == [RENAMED.get(name, name) for name in struct.__struct_fields__]
    assert set(columns) <= set(models.db.metadata.tables[table].columns.keys())


def test_every_column_of_an_account_is_written():
    """And what transfers change are the last ones of them."""
    assert set(ACCOUNT_COLUMNS) == set(models.db.metadata.tables["account"].columns.keys())
    assert ACCOUNT_COLUMNS[FIRST_BALANCE_COLUMN:][:3] == ["overflown", "last_change_seqnum", "last_change_ts"]


def test_operators_read_the_whole_journal():
    """What they are shown is made from all columns that are written, and the number of the row."""
    assert set(ledger.JOURNAL_ROW.split(", ")) == {*JOURNAL_COLUMNS, "journal_id"}
