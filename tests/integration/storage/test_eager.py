"""A connection that does not wait: nothing overtakes, no error is lost, all or nothing is committed."""

import socket
import sys
from contextlib import contextmanager, suppress
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2 import errors, sql
from psycopg2.extensions import parse_dsn

from swpt_accounts.storage import connections, eager
from swpt_accounts.storage.eager import EagerConnection
from swpt_accounts.storage.faults import Fault, fault_of
from tests.backstage.server import locking
from tests.services.ports import free_port

LOCK = "SELECT pg_advisory_xact_lock(7)"
COUNT = "SELECT count(*) FROM delivery_attempt"
INSERT = "INSERT INTO delivery_attempt (body_sha256, attempts, last_attempt_at) VALUES (%s, 1, 0)"


class Interruption(BaseException):
    """What a signal handler raises."""


@contextmanager
def interrupted_at(step):
    """Raise an Interruption before the line of the connection's own code that comes at this step."""
    left = step

    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename != eager.__file__ or frame.f_code.co_name in ("execute", "__enter__"):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise Interruption
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.fixture
def link(stand):
    """An eager connection."""
    connection = eager.connect(stand.postgres_url, "eager")
    yield connection
    connection.close()


def test_a_statement_runs_while_nobody_waits_for_it(stand, link):
    """`execute` returns although the statement is blocked; who asks for the result waits."""
    with locking(stand.postgres_url, LOCK), link.cursor() as cursor:
        cursor.execute(LOCK)
        assert link.isexecuting()
    assert cursor.connection is link
    link.rollback()
    with link, link.cursor() as cursor:
        cursor.execute("SELECT generate_series(1, 3)")
        assert cursor.rowcount == 3
        assert cursor.fetchone() == (1,)
        assert cursor.fetchall() == [(2,), (3,)]


def test_statements_do_not_overtake_each_other(stand, link):
    """The second waits for the first, and both happen, although nobody has looked at either."""
    with link, link.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE one (number int8)")
        cursor.execute("INSERT INTO one VALUES (%s)", [1])
        cursor.execute(b"UPDATE one SET number = number + 1")
        cursor.execute(sql.SQL("UPDATE {} SET number = number * 10").format(sql.Identifier("one")))
    with link, link.cursor() as cursor:
        cursor.execute("SELECT number FROM one")
        assert cursor.fetchall() == [(20,)]


def test_results_stay_while_another_cursor_goes_on(link):
    """The answer to a question waits in its own cursor."""
    with link, link.cursor() as first, link.cursor() as second:
        first.execute("SELECT 1")
        second.execute("SELECT 2")
        assert (second.fetchone(), first.fetchone()) == ((2,), (1,))


def test_a_cursor_that_is_dropped_leaves_its_statement(stand, link):
    """Nobody has to keep a cursor for what it has sent."""
    with link:
        link.cursor().execute(INSERT, [b"dropped"])
    assert stand.value(COUNT) == 1


def test_what_was_sent_is_committed_at_the_end(stand, link):
    """The end of a transaction waits for its last statement."""
    with link, link.cursor() as cursor:
        cursor.execute(INSERT, [b"one"])
        assert stand.value(COUNT) == 0
    assert stand.value(COUNT) == 1


@pytest.mark.parametrize("after", ["SELECT 1", None])
def test_an_error_is_raised_by_what_follows(stand, link, after):
    """By the next statement or by the end of the transaction, of which nothing stays."""
    with pytest.raises(errors.DivisionByZero), link, link.cursor() as cursor:
        cursor.execute(INSERT, [b"one"])
        cursor.execute("SELECT 1 / 0")
        if after:
            cursor.execute(after)
    assert stand.value(COUNT) == 0
    with link, link.cursor() as cursor:
        cursor.execute(INSERT, [b"two"])
    assert stand.value(COUNT) == 1


def test_an_exception_rolls_back_what_was_sent(stand, link):
    """Also the statement that is still at work, which is waited for; its own error does not matter."""
    for statement in (INSERT, "SELECT length(%s) / 0"):
        with pytest.raises(KeyError), link, link.cursor() as cursor:
            cursor.execute(INSERT, [b"before"])
            with suppress(errors.DivisionByZero):  # The answer may be there at once.
                cursor.execute(statement, [b"at work"])
            raise KeyError
    assert stand.value(COUNT) == 0
    link.rollback()
    link.commit()


def test_a_deferred_constraint_fails_the_commit(stand, link):
    """An error of COMMIT itself comes out as well, and the connection is fit for the next transaction."""
    with link, link.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE uniques (number int8 UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(errors.UniqueViolation), link, link.cursor() as cursor:
        cursor.execute("INSERT INTO uniques VALUES (1), (1)")
    with link, link.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM uniques")
        assert cursor.fetchone() == (0,)


def test_more_than_the_socket_takes_at_once(link):
    """A statement of some megabytes is sent to its end before anything else is done."""
    text = "x" * 20_000_000
    with link, link.cursor() as cursor:
        cursor.execute("SELECT length(%s), %s", [text, text])
        assert cursor.fetchone() == (len(text), text)


def test_a_failed_transaction_is_not_committed_in_silence(stand, link):
    """If nobody has taken notice of an error, the end of the transaction does."""
    with pytest.raises(psycopg2.InternalError), link, link.cursor() as cursor:
        cursor.execute(INSERT, [b"one"])
        with suppress(errors.DivisionByZero):  # The answer may be there at once.
            cursor.execute("SELECT 1 / 0")
            link.wait()
    assert stand.value(COUNT) == 0


def test_a_closed_connection_commits_nothing(stand, link):
    """Who closes it between the last statement and the end is told, and has not committed."""
    with pytest.raises(psycopg2.InterfaceError) as caught, link, link.cursor() as cursor:
        cursor.execute(INSERT, [b"one"])
        assert cursor.rowcount == 1
        link.close()
    assert fault_of(caught.value) is Fault.OUTAGE
    assert stand.value(COUNT) == 0


@pytest.mark.parametrize("is_failing", [True, False])
@pytest.mark.parametrize("step", range(1, 40))
def test_an_exception_in_the_middle_of_the_end_leaves_nothing_to_the_next_transaction(
    stand, link, is_failing, step
):
    """As one of a signal handler, at each line: the next transaction never commits what was left."""
    with (
        suppress(Interruption, KeyError, psycopg2.Error),
        interrupted_at(step),
        link,
        link.cursor() as cursor,
    ):
        cursor.execute(INSERT, [b"one"])
        if is_failing:
            raise KeyError
    ended = stand.value(COUNT)
    assert ended == 0 or not is_failing
    with suppress(psycopg2.InterfaceError), link, link.cursor() as cursor:
        cursor.execute(INSERT, [b"two"])
    assert stand.value("SELECT count(*) FROM delivery_attempt WHERE body_sha256 = 'one'") == ended


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_lost_connection_is_an_outage(stand, link, is_asked):
    """Whoever finds out, at the end of the transaction at the latest, is told that the database is away."""
    with (
        locking(stand.postgres_url, LOCK),
        pytest.raises(psycopg2.Error) as caught,
        link,
        link.cursor() as cursor,
    ):
        cursor.execute(LOCK)
        stand.execute("SELECT pg_terminate_backend(%s)", link.info.backend_pid)
        if is_asked:
            cursor.fetchall()
    assert fault_of(caught.value) is Fault.OUTAGE
    with pytest.raises(psycopg2.Error) as caught, link, link.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert fault_of(caught.value) is Fault.OUTAGE
    link.rollback()


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch):
    """A connection is made within the time for it, or not at all."""
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing"
        with pytest.raises(psycopg2.OperationalError, match="timeout"):
            eager.connect(url, "a test")


def test_the_second_of_two_hosts_is_found(stand, monkeypatch):
    """A silent first host costs the time for a connection, not the connection."""
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT_SECONDS", 2)  # libpq takes no less
    found = parse_dsn(stand.postgres_url)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = (
            f"127.0.0.1:{silent.getsockname()[1]},{quote(found['host'], safe='')}:{found.get('port', 5432)}"
        )
        link = eager.connect(f"postgresql://{found['user']}@{hosts}/{found['dbname']}", "a test")
    with link, link.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    link.close()


def test_nobody_at_home():
    """A refused connection is the driver's error, as with any other connection."""
    with pytest.raises(psycopg2.OperationalError):
        eager.connect(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing", "a test")


def test_it_is_the_drivers_connection(link):
    """Settings of the session are those of every connection that looks up by key."""
    assert isinstance(link, EagerConnection)
    with link, link.cursor() as cursor:
        cursor.execute("SELECT current_setting('enable_seqscan'), current_setting('TimeZone')")
        assert cursor.fetchone() == ("off", "UTC")
