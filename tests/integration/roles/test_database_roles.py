"""The least rights at the database: the service works with them, and cannot change what it has written."""

import re
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest
from psycopg2.errors import InsufficientPrivilege

from swpt_accounts.operators.inspection.books.seals import check_seals
from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.operators.operations.closing import close_month
from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage import connections, trial
from swpt_accounts.storage.partitions import MONTHS_AHEAD, Month, make_partitions
from swpt_accounts.wire.moments import LAST_MOMENT, to_datetime
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    NOW,
    finalize,
    journal_of,
    month_later,
    prepared,
    request,
)
from tests.backstage.housekeeper import housekeeping
from tests.backstage.stand import standing
from tests.backstage.stories import seed
from tests.backstage.waiting import wait_until

SCRIPT = Path(__file__).parents[3] / "deploy" / "database-roles.sql"


@pytest.fixture
def service(postgres, postgres_url):
    """The address of the database for a user who has the rights of the service."""
    name = "service_" + urlsplit(postgres_url).path.strip("/")
    owner = psycopg2.connect(postgres_url)
    owner.autocommit = True
    with closing(owner), owner.cursor() as cursor:
        with connections.session(postgres_url, "the owner") as connection:
            make_partitions(connection, NOW)
        cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'of this test'")
        try:
            cursor.execute(rights(name))
            parts = urlsplit(postgres_url)
            host = parts.netloc.rpartition("@")[2]
            yield urlunsplit(parts._replace(netloc=f"{name}:of%20this%20test@{host}"))
        finally:
            cursor.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def rights(name):
    """The script as psql would send it."""
    text = re.sub(r"^\\.*$", "", SCRIPT.read_text(), flags=re.M)
    return text.replace(":'schema'", "'public'").replace(":'service'", f"'{name}'")


def pay(stand, number, now):
    """A transfer from ALICE to BOB, at some moment."""
    stand.replace(clock=lambda: now)
    transfer_id = stand.account(ALICE).last_transfer_id + 1
    transfer = prepared(ALICE, BOB, coordinator_request_id=number, transfer_id=transfer_id, prepared_at=now)
    stand.apply(request(ALICE, BOB, coordinator_request_id=number, ts=now))
    stand.apply(finalize(transfer, 1, ts=now))


def test_the_service_works_for_months_with_the_least_rights(service):
    """Messages, chores, partitions, seals and checks, in this month and in those to come."""
    with standing(service) as stand:
        seed(stand)
        for months in range(MONTHS_AHEAD + 3):
            now = NOW if months == 0 else month_later(months) + DAY
            with housekeeping(service) as keeper:
                keeper.now = now
                keeper.do("make partitions")
                pay(stand, months + 1, now)
                keeper.do()
            with connections.session(service, "a test") as connection:
                assert trial.why_not(service, "a test") == ""
                assert verify(connection, Realm(0, 0)).violations == []
            month = journal_of(month_later(months + MONTHS_AHEAD))
            assert stand.value("SELECT to_regclass(%s) IS NOT NULL", month)
        assert stand.count("journal") == MONTHS_AHEAD + 4
        assert stand.value("SELECT count(*) FROM journal_default") == 0
        with housekeeping(service) as keeper:
            wait_until(lambda: keeper.do("seal journal") + 1 and is_sealed(stand))
    with connections.session(service, "a test") as connection:
        assert [one for segment in check_seals(connection) for one in segment.violations] == []


def is_sealed(stand):
    """Whether every row has its seal."""
    return stand.value("SELECT sum(row_count) FROM seal") == stand.count("journal")


FORBIDDEN = [
    "UPDATE journal SET amount = amount + 1",
    "DELETE FROM journal",
    "TRUNCATE journal",
    f"UPDATE {journal_of(NOW)} SET amount = amount + 1",
    f"DELETE FROM {journal_of(NOW)}",
    f"INSERT INTO {journal_of(NOW)} SELECT * FROM journal",
    f"DROP TABLE {journal_of(NOW)}",
    f"ALTER TABLE journal DETACH PARTITION {journal_of(NOW)}",
    "ALTER TABLE journal ALTER COLUMN written_by SET DEFAULT 1",
    "UPDATE seal SET sealed_at = 0",
    "DELETE FROM seal",
    "UPDATE audit SET operator = 'nobody'",
    "DELETE FROM audit",
    "UPDATE alembic_version SET version_num = '0001'",
    "INSERT INTO closed_month VALUES (0, 1, 'journal', 0, 0, '', 0, NULL)",
    "INSERT INTO archived_segment VALUES (1, 0, 1)",
    "CREATE TABLE mine (x int)",
    "ALTER TABLE account DROP CONSTRAINT deleted_means_settled",
]


def test_the_service_can_not_close_a_month(service, tmp_path):
    """Only the owner of the tables takes rows out of the journal."""
    month = Month(to_datetime(NOW))
    order = Order("olga", "desk-1", lambda: NOW)
    with (
        connections.session(service, "a test") as connection,
        pytest.raises(OperatorError, match="only the owner of the tables closes a month"),
    ):
        close_month(connection, month, tmp_path / "archive", closed_before=LAST_MOMENT, order=order)


def refused(stand, statement):
    """Whether the database refuses a statement for lack of a right."""
    try:
        stand.execute(statement)
    except InsufficientPrivilege:
        return True
    return False


def test_what_was_written_cannot_be_changed_by_the_service(service):
    """Neither in the journal nor in its months, also not in one that the service has made."""
    with standing(service) as stand:
        seed(stand)
        pay(stand, 1, NOW)
        assert [one for one in FORBIDDEN if not refused(stand, one)] == []
        with connections.session(service, "a test") as connection:
            make_partitions(connection, month_later(5))
        later = journal_of(month_later(5 + MONTHS_AHEAD))
        assert refused(stand, f"DELETE FROM {later}")
        assert refused(stand, f"DROP TABLE {later}")


def test_a_right_too_many_is_seen(service, postgres_url):
    """The list above fails as soon as the service may do one of these things."""
    name = urlsplit(service).username
    with standing(postgres_url) as owner:
        owner.execute(f"GRANT UPDATE ON journal TO {name}")
    with standing(service) as stand:
        assert [one for one in FORBIDDEN if not refused(stand, one)] == [FORBIDDEN[0]]


def test_new_tables_get_their_rights_when_the_script_is_repeated(service, postgres_url):
    """The owner runs it after each migration."""
    name = urlsplit(service).username
    owner = psycopg2.connect(postgres_url)
    with closing(owner), owner, owner.cursor() as cursor:
        cursor.execute("CREATE TABLE fresh (x int)")
        cursor.execute(rights(name))
    with standing(service) as stand:
        stand.execute("INSERT INTO fresh VALUES (1)")
        stand.execute("DELETE FROM fresh")
