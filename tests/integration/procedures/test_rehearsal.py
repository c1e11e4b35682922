"""A batch can be rehearsed: everything is done as for real, and undone; what would fail, fails."""

import psycopg2
import pytest

from swpt_accounts import procedures
from swpt_accounts.storage.faults import Fault, fault_of
from tests.backstage.builders import ALICE, BOB, configure, request
from tests.backstage.server import locking
from tests.backstage.wire import delivered

MESSAGES = (configure(ALICE), configure(BOB), request(ALICE, BOB))
BATCH = [delivered(message) for message in MESSAGES]


def everything(stand):
    """All that a batch could have changed."""
    tables = ("account", "outbox", "prepared_transfer", "dead_letter", "refusal", "debtor_info")
    return [stand.rows(f"SELECT * FROM {table}") for table in tables]


def test_a_rehearsal_leaves_nothing(stand):
    """And afterwards the batch is applied as if it came for the first time."""
    before = everything(stand)
    for _ in range(2):
        procedures.rehearse_batch(stand.connection, BATCH, stand.context)
    assert everything(stand) == before
    applied = procedures.apply_batch(stand.connection, BATCH, stand.context)
    assert applied.consumed == {"ConfigureAccount": 2, "PrepareTransfer": 1}
    assert len(stand.rows("SELECT FROM account")) == 2


def test_a_rehearsal_meets_what_the_batch_would_meet(stand):
    """A row that somebody else holds is nothing that a trial of the database could find."""
    procedures.apply_batch(stand.connection, BATCH, stand.context)
    with locking(stand.postgres_url, f"SELECT FROM account WHERE creditor_id = {ALICE} FOR UPDATE"):
        with pytest.raises(psycopg2.Error) as refused:
            procedures.rehearse_batch(stand.connection, BATCH, stand.context)
        assert fault_of(refused.value) is Fault.LOCK
    procedures.rehearse_batch(stand.connection, BATCH, stand.context)
