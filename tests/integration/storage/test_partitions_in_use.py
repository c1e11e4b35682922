"""Partitions are made while the journal is in use: no commit waits for it, and it waits for nobody long."""

import logging
import threading

import pytest

from swpt_accounts.storage import connections
from swpt_accounts.storage.partitions import make_partitions
from swpt_accounts.transactions.columns import JOURNAL_COLUMNS
from tests.backstage.builders import ALICE, BOB, NOW, journal_of, month_later
from tests.backstage.server import locking
from tests.backstage.stand import standing
from tests.backstage.stories import issue

LATER = month_later(1)
READING = "SELECT count(*) FROM journal"
COLUMNS = ", ".join(JOURNAL_COLUMNS[1:])
WRITING = f"INSERT INTO journal (applied_at, {COLUMNS}) SELECT applied_at + {{}}, {COLUMNS} FROM journal"


@pytest.fixture
def maker(postgres_url, stand_apart):
    """A connection of the chore that makes partitions."""
    with connections.session(postgres_url, "a maker of partitions") as connection:
        yield connection


@pytest.fixture
def stand_apart(postgres_url):
    """A worker on a database of its own, because partitions stay."""
    with standing(postgres_url) as stand:
        yield stand


def partitions(stand) -> int:
    """How many months have a partition."""
    query = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'journal'::regclass"
    count: int = stand.value(query) - 1
    return count


def test_a_reader_of_the_journal_is_not_waited_for(postgres_url, stand_apart, maker, caplog):
    """A backup may take hours: the partitions are made later, and commits go on meanwhile."""
    stand_apart.apply(*issue(ALICE, 5))
    before = partitions(stand_apart)
    with locking(postgres_url, READING):
        making = threading.Thread(target=make_partitions, args=(maker, LATER))
        making.start()
        # The reader stays until both have gone on.
        while making.is_alive():
            stand_apart.apply(*issue(BOB, 1, serial=1 + stand_apart.count("journal")))
    assert stand_apart.count("journal") > 1
    assert partitions(stand_apart) == before
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert make_partitions(maker, LATER) == 1
    assert partitions(stand_apart) == before + 1


def test_a_commit_on_its_way_hinders_nobody(postgres_url, stand_apart, maker):
    """A transaction that has written to the journal may stay open while a partition is made."""
    row = f"{NOW}, 1, 2, 3, 4, 5, 5, 0, 0, 0, 0, {NOW}, 0, 0, 0, '', '', ''"
    statement = f"INSERT INTO journal (applied_at, {COLUMNS}) VALUES ({row})"
    with locking(postgres_url, statement) as open_transaction:
        assert make_partitions(maker, LATER) == 1
        open_transaction.rollback()


def test_new_partitions_are_like_those_of_the_schema(stand_apart, maker):
    """Columns, keys and indexes; rows get their numbers from the one sequence."""
    assert make_partitions(maker, LATER) == 1
    stand_apart.apply(*issue(ALICE, 5))
    stand_apart.execute(WRITING.format(month_later(4) - NOW))
    rows = stand_apart.rows("SELECT tableoid::regclass::text, journal_id FROM journal ORDER BY applied_at")
    (_, first), (table, second) = rows
    assert table == journal_of(month_later(4))
    assert second > first > 0
    indexes = stand_apart.rows(
        "SELECT count(*) FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid"
        " WHERE x.indrelid = %s::regclass",
        table,
    )
    assert indexes == stand_apart.rows("SELECT count(*) FROM pg_index WHERE indrelid = 'journal'::regclass")
