"""Partitions are for later: what keeps one from being made is an alarm, and nobody stops or waits for it."""

import threading
from contextlib import closing

import pytest
from click.testing import CliRunner
from psycopg2.extensions import parse_dsn

from swpt_accounts.commands.cli import program
from swpt_accounts.operators.operations import journal
from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import connections, fitness
from swpt_accounts.storage.partitions import MONTHS_AHEAD, make_partitions
from swpt_accounts.transactions.columns import JOURNAL_COLUMNS
from tests.backstage.builders import ALICE, BOB, DAY, NOW, journal_of, month_later
from tests.backstage.commands import SERVER, said
from tests.backstage.server import locking
from tests.backstage.stand import standing
from tests.backstage.stories import issue

FAR = month_later(MONTHS_AHEAD + 1) + 2 * DAY
"""A moment in the first month that has no partition yet."""

COLUMNS = ", ".join(JOURNAL_COLUMNS[1:])
COPY = (
    f"INSERT INTO journal (applied_at, {COLUMNS}) SELECT %s + n, {COLUMNS}"
    " FROM journal, generate_series(1, %s) AS n"
)
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journal'::regclass"
FIND = "SELECT tableoid::regclass::text, count(*) FROM journal GROUP BY 1 ORDER BY 1"


@pytest.fixture
def stand(postgres_url):
    """A worker on a database of its own, because partitions stay."""
    with standing(postgres_url) as stand:
        stand.apply(*issue(ALICE, 5))
        yield stand


@pytest.fixture
def maker(postgres_url):
    """A connection of the chore that makes partitions."""
    with connections.session(postgres_url, "a maker of partitions") as connection:
        yield connection


@pytest.fixture
def order():
    """An order of Olga, given now."""
    return Order("olga", "desk-1", lambda: NOW)


def stray(stand, at=FAR, rows=1) -> None:
    """Put rows into the journal that were written while the clock stood at `at`."""
    before = stand.count("journal")
    stand.execute(COPY + " WHERE applied_at < %s", at, rows, NOW + DAY)
    assert stand.count("journal") == before + rows


def partitions(stand) -> set[str]:
    """The names of all partitions."""
    return {name for (name,) in stand.rows(PARTITIONS)}


@pytest.fixture
def powerless(postgres_url):
    """The database for a user who may read and write, and make no tables."""
    name = parse_dsn(postgres_url)["dbname"] + "_clerk"
    with closing(connections.connect(postgres_url, "a test")) as owner:
        owner.autocommit = True
        with owner.cursor() as cursor:
            cursor.execute(f'CREATE ROLE "{name}" LOGIN')
            cursor.execute(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{name}"')
            cursor.execute(f'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO "{name}"')
            cursor.execute("REVOKE ALL ON FUNCTION make_journal_month(integer, integer) FROM PUBLIC")
        host = postgres_url.rpartition("@")[2]
        yield f"postgresql://{name}@{host}"
        with owner.cursor() as cursor:
            cursor.execute(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


# -- what may not stop anybody -------------------------------------------------------------------


def test_a_row_in_the_way_keeps_no_other_month_from_its_partition(stand, maker, caplog):
    """The months around it are made; the alarm names the month, and the command that mends it."""
    stray(stand)
    later = month_later(2)
    assert make_partitions(maker, later) == 1
    assert journal_of(month_later(5)) in partitions(stand)
    assert journal_of(FAR) not in partitions(stand)
    [alarm] = [record.getMessage() for record in caplog.records]
    assert alarm.startswith("ALARM: the default partition of the journal holds rows of ")
    assert alarm.endswith(": run `swpt-accounts journal tidy`")


@pytest.mark.parametrize("prepare", [fitness.prepare_database, fitness.configure_database])
def test_a_row_in_the_way_is_no_reason_not_to_start(stand, postgres_url, prepare, caplog):
    """Months later as well, when the month of the row has come."""
    now = clock.utcnow()
    for name in partitions(stand):
        stand.execute(f"DROP TABLE {name}")
    stand.execute("CREATE TABLE journal_default PARTITION OF journal DEFAULT")
    stand.apply(*issue(BOB, 5, serial=2))
    stray(stand, now)
    prepare(load({"POSTGRES_URL": postgres_url}))
    assert "ALARM" in caplog.text
    assert len(partitions(stand)) >= MONTHS_AHEAD


def test_a_missing_right_is_an_alarm_and_no_reason_not_to_start(stand, powerless, caplog):
    """As long as there is room for what happens now."""
    stand.execute(f"DROP TABLE {journal_of(month_later(2))}")
    fitness.prepare_database(load({"POSTGRES_URL": powerless}))
    alarms = [record.getMessage() for record in caplog.records]
    assert alarms
    assert all(alarm.startswith("ALARM: journal_") for alarm in alarms)
    assert "permission denied" in alarms[0]


def test_no_room_for_now_is_logged_at_the_start(stand, powerless):
    """Without a partition for this month and a default one nothing could be committed."""
    for name in partitions(stand):
        stand.execute(f"DROP TABLE {name}")
    with pytest.raises(OperatorError, match="neither a partition for this month nor a default"):
        fitness.prepare_database(load({"POSTGRES_URL": powerless}))


def test_a_month_that_is_locked_is_waited_for_a_second_only(stand, maker, postgres_url, caplog):
    """Also where another process makes partitions and hangs: who starts does not wait for it."""
    lock = "SELECT pg_advisory_xact_lock(hashtext('swpt_accounts journal partitions'))"
    with locking(postgres_url, lock):
        assert make_partitions(maker, month_later(1)) == 0
    assert "have to be made later" in caplog.text


# -- how it is mended ----------------------------------------------------------------------------


def test_rows_are_moved_into_the_partitions_of_their_months(stand, maker, order):
    """Each month gets its partition; numbers and contents stay, and the audit says it."""
    stray(stand, FAR, 25)
    stray(stand, FAR + 40 * DAY, 3)
    before = stand.rows("SELECT * FROM journal ORDER BY journal_id")
    moved = journal.tidy(maker, order=order, step_rows=10)
    assert [(one.name, one.rows) for one in moved] == [(journal_of(FAR), 25), (journal_of(FAR + 40 * DAY), 3)]
    assert stand.rows("SELECT * FROM journal ORDER BY journal_id") == before
    assert stand.count("journal_default") == 0
    assert stand.rows("SELECT action, target, detail FROM audit ORDER BY audit_id") == [
        ("journal tidy", one.name, f"{one.rows} rows from the default partition") for one in moved
    ]
    assert make_partitions(maker, FAR) == MONTHS_AHEAD - 1
    assert journal.tidy(maker, order=order) == []


def test_who_is_stopped_goes_on_where_he_was(stand, maker, order):
    """After each step; nobody sees a row twice or misses one meanwhile."""
    stray(stand, FAR, 25)
    stops = iter([False, True, False, True])
    assert journal.tidy(maker, order=order, step_rows=10, is_stopping=lambda: next(stops)) == []
    assert stand.count(journal_of(FAR) + "_moving") == 10
    assert stand.count("journal") == 26
    assert journal.tidy(maker, order=order, step_rows=10, is_stopping=lambda: next(stops)) == []
    assert stand.count(journal_of(FAR) + "_moving") == 20
    stray(stand, FAR - 30, 25)
    [moved] = journal.tidy(maker, order=order, step_rows=10)
    assert moved.rows == 50
    assert stand.rows(FIND) == [(journal_of(NOW), 1), (journal_of(FAR), 50)]


def test_workers_commit_meanwhile(stand, maker, order, postgres_url):
    """Their rows of the month that is moved go where the month is."""
    stray(stand, FAR, 2000)
    stop = threading.Event()
    committed: list[str] = []

    def work() -> None:
        with standing(postgres_url, clock=lambda: FAR) as worker:
            while not stop.is_set():
                serial = 2 + committed.count("")
                try:
                    worker.apply(*issue(ALICE, 1, serial=serial))
                except Exception as error:
                    committed.append(str(error))
                else:
                    committed.append("")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while len(committed) < 5:
            stop.wait(0.01)
        [moved] = journal.tidy(maker, order=order, step_rows=100)
        done = len(committed)
        while len(committed) < done + 5:
            stop.wait(0.01)
    finally:
        stop.set()
        thread.join()
    assert moved.rows >= 2000
    assert stand.count("journal_default") == 0
    refused = [text for text in committed if text]
    assert all("violates partition constraint" in text for text in refused)
    assert dict(stand.rows(FIND))[journal_of(FAR)] == 2000 + len(committed) - len(refused)


def test_a_backup_is_not_disturbed_and_nothing_is_lost(stand, maker, order, postgres_url, monkeypatch):
    """As long as the journal is read, nobody waits for the last lock longer than a second."""
    monkeypatch.setattr(journal, "_MOST_TRIES", 1)
    stray(stand, FAR, 3)
    with locking(postgres_url, "SELECT count(*) FROM journal"):
        with pytest.raises(OperatorError, match="in use for long"):
            journal.tidy(maker, order=order)
        assert stand.count("journal") == 4
    assert [one.rows for one in journal.tidy(maker, order=order)] == [3]


def test_one_at_a_time(stand, maker, order, postgres_url):
    """A second one is told so."""
    lock = "SELECT pg_advisory_lock(hashtext('swpt_accounts journal tidy'))"
    shown = "another `swpt-accounts journal tidy` is at work"
    with locking(postgres_url, lock), pytest.raises(OperatorError, match=shown):
        journal.tidy(maker, order=order)


def test_operators_type_it(stand, powerless, monkeypatch):
    """It says what it has done, and that there is nothing to do; a missing right is one line."""
    stray(stand, FAR, 3)
    assert said((*SERVER, "journal", "tidy"), {"POSTGRES_URL": powerless}) == (
        1,
        ["permission denied for schema public"],
    )
    monkeypatch.setenv("POSTGRES_URL", stand.postgres_url)
    for shown in (f"{journal_of(FAR)}: 3 rows moved", "the default partition holds no rows"):
        done = CliRunner().invoke(program, ["journal", "tidy"], standalone_mode=False)
        assert done.exception is None
        assert shown in done.stdout
    assert stand.count("journal_default") == 0
