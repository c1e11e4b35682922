"""Every session tells the server when to give it up: none holds locks for ever."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest

from swpt_accounts.operators.admin.context import AdminContext
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import load
from swpt_accounts.shards.app import create_app
from swpt_accounts.storage import connections, eager, migrations
from swpt_accounts.storage.faults import Fault, fault_of
from swpt_accounts.storage.models import db

PROMISED = {
    "idle_in_transaction_session_timeout": 1000 * connections.IDLE_IN_TRANSACTION_SECONDS,
    "client_connection_check_interval": 5000,
    "tcp_keepalives_idle": connections.SILENCE_SECONDS // 3,
    "tcp_keepalives_interval": connections.SILENCE_SECONDS // 3,
    "tcp_keepalives_count": 2,
    "tcp_user_timeout": 1000 * connections.SILENCE_SECONDS,
}
ASKED = "SELECT name, setting::int FROM pg_settings WHERE name = ANY(%s)"


@contextmanager
def plain(url: str) -> Iterator[Any]:
    """That of chores, outbox and commands."""
    with connections.session(url, "a test") as connection:
        yield connection


@contextmanager
def late(url: str) -> Iterator[Any]:
    """That of a worker."""
    with closing(eager.connect(url, "a test")) as connection:
        yield connection


@contextmanager
def admin(url: str) -> Iterator[Any]:
    """That of the admin listener."""
    context = AdminContext(load({"POSTGRES_URL": url}), clock.utcnow, lambda queue: 0)
    with context.writing() as connection:
        yield connection
    context.close()


@contextmanager
def web(url: str) -> Iterator[Any]:
    """That of the web server."""
    app = create_app(load({"POSTGRES_URL": url}))
    with app.app_context():
        yield db.session.connection().connection.driver_connection
        db.session.remove()
        db.engine.dispose()


@contextmanager
def migration(url: str) -> Iterator[Any]:
    """That of a migration."""
    engine = migrations.make_engine(url)
    with engine.connect() as connection:
        yield connection.connection.driver_connection
    engine.dispose()


@pytest.mark.parametrize("session", [plain, late, admin, web, migration])
def test_every_session_tells_the_server_when_to_give_it_up(postgres_url, session):
    """The server's own defaults are two hours for a dead client, and no limit for one that hangs."""
    with session(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute(ASKED, [list(PROMISED)])
        found = dict(cursor.fetchall())
        cursor.execute(
            "SELECT inet_client_addr() IS NOT NULL, setting::int FROM pg_settings WHERE name = 'lock_timeout'"
        )
        is_tcp, lock_timeout = cursor.fetchone()
        assert 0 < lock_timeout <= 1000 * connections.LOCK_SECONDS
        parameters = connection.info.dsn_parameters
        connection.rollback()
    if not is_tcp:  # a Unix socket knows no such thing
        found |= {name: PROMISED[name] for name in PROMISED if name.startswith("tcp_")}
    assert found == PROMISED
    assert int(parameters["tcp_user_timeout"]) <= 1000 * connections.SILENCE_SECONDS
    patience = int(parameters["keepalives_idle"]) + int(parameters["keepalives_interval"]) * int(
        parameters["keepalives_count"]
    )
    assert patience <= connections.SILENCE_SECONDS
    assert int(parameters["connect_timeout"]) <= connections.CONNECT_TIMEOUT_SECONDS


@pytest.mark.parametrize("session", [plain, late, admin, web, migration])
def test_an_operator_says_after_which_silence_the_other_side_is_given_up(postgres_url, session):
    """`tcp_user_timeout` in the address is for both ends, and the probes of an idle session follow it."""
    url = f"{postgres_url}{'&' if '?' in postgres_url else '?'}tcp_user_timeout=6500"
    with session(url) as connection, connection.cursor() as cursor:
        cursor.execute(ASKED, [list(PROMISED)])
        found = dict(cursor.fetchall())
        cursor.execute("SELECT inet_client_addr() IS NOT NULL")
        [(is_tcp,)] = cursor.fetchall()
        parameters = connection.info.dsn_parameters
        connection.rollback()
    if is_tcp:
        assert found["tcp_user_timeout"] == 6000
        assert found["tcp_keepalives_idle"] * (1 + found["tcp_keepalives_count"]) == 6
    assert int(parameters["tcp_user_timeout"]) <= 6000
    if session not in (admin, web):  # who waits for those waits less long anyway
        assert int(parameters["keepalives_idle"]) * (1 + int(parameters["keepalives_count"])) == 6


def test_a_session_that_hangs_with_locks_is_ended(stand, monkeypatch):
    """What it holds is free after the time; when it goes on, it hears that its connection is lost."""
    monkeypatch.setattr(connections, "IDLE_IN_TRANSACTION_SECONDS", 1)
    with closing(eager.connect(stand.postgres_url, "a worker that hangs")) as hanging:
        hanging.__enter__()
        hanging.cursor().execute("LOCK TABLE account")
        hanging.wait()
        stand.execute("LOCK TABLE account")  # which gives up after LOCK_SECONDS
        with pytest.raises(psycopg2.Error) as caught:
            hanging.cursor().execute("SELECT 1")
            hanging.commit()
        assert fault_of(caught.value) is Fault.OUTAGE
        hanging.rollback()


def test_who_waits_for_a_lock_lets_go_of_its_own(stand, monkeypatch):
    """Others need not stand still behind it; nobody is to blame, and it is tried again."""
    monkeypatch.setattr(connections, "LOCK_SECONDS", 1)
    with (
        connections.session(stand.postgres_url, "somebody") as holder,
        connections.session(stand.postgres_url, "a worker") as waiting,
    ):
        holder.cursor().execute("LOCK TABLE account")
        with pytest.raises(psycopg2.errors.LockNotAvailable) as caught, waiting.cursor() as cursor:
            cursor.execute("LOCK TABLE debtor_info")
            cursor.execute("LOCK TABLE account")
        assert fault_of(caught.value) is Fault.LOCK
        waiting.rollback()
        holder.cursor().execute("LOCK TABLE debtor_info NOWAIT")
