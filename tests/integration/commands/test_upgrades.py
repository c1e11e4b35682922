"""Programs of two versions on one database: what each of them says, and what goes on working.

The other version is this one with a migration more, or a migration less: the database says that it has
a revision that nobody here knows, or was taken back by one.
"""

import re
import subprocess
import sys

import pika
import psycopg2
import pytest

from swpt_accounts.storage import migrations
from tests.backstage.builders import ALICE, DEBTOR, configure
from tests.backstage.commands import SERVER, TOP, get, running, said
from tests.backstage.schema import is_migrated
from tests.backstage.server import Server
from tests.backstage.waiting import wait_until
from tests.backstage.wire import body_of, key_of
from tests.services.ports import free_port

# What a migration may do while processes of the version before are at work.
MORE = """
ALTER TABLE account ADD COLUMN hue text;
ALTER TABLE prepared_transfer ADD COLUMN hue text NOT NULL DEFAULT '';
CREATE TABLE hue (name text PRIMARY KEY);
UPDATE alembic_version SET version_num = '9999'
"""
NEWEST = max(migrations.newest_versions())
UNKNOWN = (
    f"the database has tables of another version: this one knows them up to {NEWEST}, and not 9999. Start "
    "the version that has made them, or let it take them back (docs/upgrades.md)"
)
LACKING = "the database lacks the tables of this version: run `swpt-accounts configure` first"
ROLES = (["configure"], ["worker"], ["chores"], ["chores", "--once"], ["web"])
COMMANDS = (["verify"], ["dead-letters", "list"], ["tokens", "list"])


def execute(url, statements):
    """What another version does to the database."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statements)
    connection.close()


def previous():
    """The revision before the newest one."""
    return sorted(migrations._known_versions())[-2]


def flask_db(environ, *words):
    """Migrate by hand."""
    command = (sys.executable, "-m", "flask", "--app", "wsgi", "db", *words)
    return subprocess.run(command, cwd=TOP, env=environ, capture_output=True, text=True, check=False)


def send(amqp_url, message):
    """Publish a message as agents do."""
    properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().basic_publish("accounts_in", key_of(message), body_of(message), properties)


@pytest.fixture
def environ(postgres_url, amqp_url):
    """The environment of all programs."""
    ports = {name: str(free_port()) for name in ("WEBSERVER_PORT", "ADMIN_PORT")}
    return {"POSTGRES_URL": postgres_url, "PROTOCOL_BROKER_URL": amqp_url} | ports


@pytest.mark.parametrize("words", [*ROLES, *COMMANDS], ids=" ".join)
def test_the_older_version_says_what_is_true(postgres_url, environ, words):
    """On newer tables it neither starts nor changes them, and says in one line which version is wanted."""
    execute(postgres_url, MORE)
    code, lines = said((*SERVER, *words), environ)
    assert (code, lines[-1]) == (1, UNKNOWN)
    assert not [line for line in lines if "Traceback" in line or "Error" in line]
    assert migrations.found_versions(postgres_url) == {"9999"}


def test_probes_say_it_as_well(postgres_url, environ):
    """An older process does not call itself healthy on tables that it does not know."""
    execute(postgres_url, MORE)
    code, lines = said((*SERVER, "healthcheck", "--role", "worker"), environ)
    assert code == 1
    assert lines == [UNKNOWN.replace("the database", f"unhealthy: the database {postgres_url}")]


@pytest.mark.parametrize("words", [["worker"], ["chores"], ["verify"]], ids=" ".join)
def test_the_newer_version_asks_for_the_tables_that_it_needs(postgres_url, environ, words):
    """On older tables it says that `configure` makes them, and that is true."""
    assert flask_db(environ, "downgrade", previous()).returncode == 0
    assert said((*SERVER, *words), environ) == (1, [LACKING])
    assert said((*SERVER, "configure"), environ)[0] == 0
    assert is_migrated(postgres_url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (None, LACKING.removeprefix("the database ")),
        ("postgresql://u@127.0.0.1:1/d", "no answer from the database"),
    ],
    ids=["without tables", "away"],
)
def test_the_web_server_starts_before_its_database(environ, empty_postgres_url, url, reason):
    """It says so in its log and by `/readyz`, and is ready by itself when the database is."""
    environ |= {"POSTGRES_URL": url or empty_postgres_url}
    with running((*SERVER, "web"), environ) as web:
        web.wait_for(f"Not ready yet: .*{re.escape(reason)}")
        web.wait_for("Serving the admin API")
        status, body = get(int(environ["ADMIN_PORT"]), "/readyz")
        assert status == 503, body
        if url is None:
            assert said((*SERVER, "configure"), environ)[0] == 0
            wait_until(lambda: get(int(environ["ADMIN_PORT"]), "/readyz")[0] == 200, "readiness")


def test_what_runs_goes_on_while_the_tables_grow(postgres_url, amqp_url):
    """The order of an upgrade: `configure` of the newer version first, then its processes, one by one."""
    server = Server(postgres_url, amqp_url)
    with server.running("worker", "chores"):
        send(amqp_url, configure(ALICE, debtor_id=DEBTOR))
        wait_until(lambda: server.rows("SELECT 1 FROM account"), "the first account")
        execute(postgres_url, MORE)
        send(amqp_url, configure(ALICE + 1, debtor_id=DEBTOR))
        wait_until(lambda: len(server.rows("SELECT 1 FROM account")) == 2, "the second account")
        assert server.rows("SELECT 1 FROM dead_letter") == []
    code, lines = said((*SERVER, "worker"), server.environ)
    assert (code, lines) == (1, [UNKNOWN])


def test_going_back_is_the_newer_versions_work(postgres_url, environ):
    """It takes its tables back, step by step; then the older one starts again."""
    done = flask_db(environ, "downgrade", previous())
    assert done.returncode == 0, done.stderr
    assert migrations.found_versions(postgres_url) == {previous()}
    assert flask_db(environ, "upgrade").returncode == 0
    assert is_migrated(postgres_url)
    done = flask_db(environ, "downgrade", "9998")
    assert done.returncode != 0 and "Traceback" not in done.stderr
