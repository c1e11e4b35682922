"""Whatever a role, a database or the environment sets: values go through unchanged, or we do not start."""

import math
from contextlib import closing, contextmanager
from functools import partial

import pytest
from sqlalchemy import Engine

from swpt_accounts.operators.admin.context import AdminContext
from swpt_accounts.roles import health
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.settings import load
from swpt_accounts.shards.app import create_app
from swpt_accounts.storage import connections, eager, migrations
from swpt_accounts.storage.models import db
from tests.backstage.builders import ALICE, BOB, NOW, configure, finalize, prepared, request
from tests.backstage.commands import SERVER, said
from tests.backstage.places import place_of
from tests.backstage.stand import standing
from tests.backstage.stories import issue
from tests.services.postgres import Postgres

# What a role, a database, and whoever starts the program may have set, in good faith or not.
HOSTILE_SETTINGS = {
    "array_nulls": "off",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "DateStyle": "'SQL, DMY'",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "enable_indexscan": "off",
    "exit_on_error": "on",
    "extra_float_digits": "-15",
    "idle_session_timeout": "'1s'",
    "IntervalStyle": "iso_8601",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "statement_timeout": "'1s'",
    "synchronous_commit": "off",
    "TimeZone": "'Asia/Kathmandu'",
    "transform_null_equals": "on",
}
HOSTILE_VARIABLES = {
    "PGCLIENTENCODING": "LATIN1",
    "PGDATESTYLE": "German",
    "PGTZ": "Asia/Kathmandu",
    "PGGEQO": "off",
    "PGAPPNAME": "somebody",
    "PGOPTIONS": "-c extra_float_digits=0 -c bytea_output=escape -c enable_indexscan=off -c array_nulls=off",
}

WANTED = {
    "application_name": "a test",
    "array_nulls": "on",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, DMY",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "exit_on_error": "off",
    "extra_float_digits": "1",
    "idle_session_timeout": "0",
    "IntervalStyle": "postgres",
    "quote_all_identifiers": "off",
    "synchronous_commit": "on",
    "TimeZone": "UTC",
    "transform_null_equals": "off",
}

TEXT = "Оплата: ő🙂 \\ ' \" \x7f"
NUMBER = math.nextafter(0.1, 1.0)


@pytest.fixture(params=["role", "database", "environment"])
def surroundings(request, postgres_url, monkeypatch):
    """A database whose sessions begin with everything set otherwise, by one of those who can."""
    if request.param == "environment":
        for name, value in HOSTILE_VARIABLES.items():
            monkeypatch.setenv(name, value)
        return postgres_url
    name = place_of(postgres_url).name
    who = f'DATABASE "{name}"' if request.param == "database" else f'ROLE CURRENT_USER IN DATABASE "{name}"'
    with closing(connections.connect(postgres_url, "a test")) as owner, owner, owner.cursor() as cursor:
        for setting, value in HOSTILE_SETTINGS.items():
            cursor.execute(f"ALTER {who} SET {setting} TO {value}")
    return postgres_url


@contextmanager
def borrowed(engine: Engine):
    """A connection of SQLAlchemy's, as the driver knows it."""
    connection = engine.raw_connection()
    try:
        yield connection.driver_connection
    finally:
        connection.close()
        engine.dispose()


def engine_of_web(url: str) -> Engine:
    """The connections of the web server."""
    app = create_app(load({"POSTGRES_URL": url}))
    with app.app_context():
        return db.engine


def engine_of_admin(url: str) -> Engine:
    """The connections of the admin listener."""
    return AdminContext(load({"POSTGRES_URL": url}), lambda: NOW, lambda queue: 0)._engine


def plain(url: str):
    """A connection as most have it."""
    return closing(connections.connect(url, "a test"))


def of_worker(url: str):
    """A connection of a worker."""
    return closing(eager.connect(url, "a test"))


KINDS = {
    "plain": plain,
    "worker": of_worker,
    "web": lambda url: borrowed(engine_of_web(url)),
    "admin": lambda url: borrowed(engine_of_admin(url)),
    "migrations": lambda url: borrowed(migrations.make_engine(url)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_session_is_as_we_need_it(surroundings, kind):
    """Whoever makes it, and whatever it begins with: each setting, and values of each type."""
    with KINDS[kind](surroundings) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY (%s)", [list(WANTED)])
        found = dict(cursor.fetchall())
        assert found.pop("application_name") in ("a test", f"swpt_accounts {kind}", "swpt_accounts configure")
        # The order of day and month concerns only what is read, and we write none.
        assert found.pop("DateStyle").startswith("ISO")
        assert found == {name: WANTED[name] for name in found}
        assert len(found) == len(WANTED) - 2
        cursor.execute(
            "SELECT %s::text, %s::float8, %s::float8::text, %s::bytea, '{NULL}'::text[], '{NULL}'::text",
            [TEXT, NUMBER, NUMBER, b"\x00\\\xff"],
        )
        text, number, shown, data, array, _ = cursor.fetchone()
        assert (text, number, float(shown), bytes(data), array) == (
            TEXT, NUMBER, NUMBER, b"\x00\\\xff", [None],
        )  # fmt: skip
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("5s" if kind == "admin" else "0",)
        connection.rollback()


def test_a_note_in_cyrillic_is_committed(surroundings):
    """Its amount does not stay locked, and everybody reads the note and the document as they were written."""
    note = "Оплата за жовтень 🙂"
    with standing(surroundings) as stand:
        stand.apply(*issue(ALICE, 1000), configure(BOB, config_data="", seqnum=1))
        stand.apply(request(ALICE, BOB))
        transfer = prepared(ALICE, BOB)
        stand.apply(finalize(transfer, 100, transfer_note=note, transfer_note_format=""))
        assert stand.account(ALICE).principal == 900
        assert stand.account(ALICE).total_locked_amount == 0
        assert note in [event.transfer_note for event in stand.events() if hasattr(event, "transfer_note")]


@pytest.fixture
def narrow_database(request, postgres: Postgres):
    """An empty database of another encoding."""
    name = postgres.create_empty_database()
    postgres.drop_database(name)
    with closing(connections.connect(postgres.url, "a test")) as owner:
        owner.autocommit = True
        with owner.cursor() as cursor:
            cursor.execute(
                f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING '{request.param}' LOCALE 'C'"
            )
    yield postgres.database_url(name)
    postgres.drop_database(name)


@pytest.mark.parametrize("narrow_database", ["SQL_ASCII", "LATIN1"], indirect=True)
def test_a_database_that_can_not_keep_every_text_is_refused(narrow_database):
    """By `configure` and a worker in one line, by the health check, and by every other connection."""
    environ = {"POSTGRES_URL": narrow_database}
    for role in ("configure", "worker"):
        code, lines = said((*SERVER, role), environ)
        assert (code, len(lines)) == (1, 1)
        assert "ENCODING 'UTF8'" in lines[0]
    settings = load(environ)
    for refuse in (
        partial(health.check_database, settings),
        partial(connections.connect, narrow_database, "a test"),
        partial(eager.connect, narrow_database, "a test"),
    ):
        with pytest.raises(OperatorError, match="POSTGRES_URL must name one that was made with ENCODING"):
            refuse()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("PGTZ", "nowhere"),
        ("PGDATESTYLE", "bogus"),
        ("PGGEQO", "bogus"),
        ("PGOPTIONS", "-c foo"),
        ("PGOPTIONS", "-c foo=1"),
        ("PGOPTIONS", "bogus"),
        ("PGTARGETSESSIONATTRS", "read-only"),
    ],
)
def test_variables_that_no_session_can_be_made_with_end_the_start(postgres_url, name, content):
    """In one line, and at once: it is no outage that passes."""
    environ = {"POSTGRES_URL": postgres_url, name: content}
    code, lines = said((*SERVER, "configure"), environ)
    assert (code, len(lines)) == (1, 1), lines
    assert lines[0].startswith("cannot configure the database: ")
