"""PostgreSQL for a test run: one that runs here and lets us make databases, or one of our own.

A server that happens to run here keeps everything that it has: the run works in databases
of its own, and drops them.
"""

import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql

from swpt_accounts.runtime.errors import OperatorError, mask_secrets
from swpt_accounts.storage import migrations
from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres, stop_leftover

from .errors import ServiceMissing
from .leftovers import abandoned_folders, is_leftover, is_made_by, new_folder, new_name

OLDEST_VERSION: Final = 150000

# A crash of the machine ends the tests as well.
_FAST_AND_LOOSE: Final = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}


class Postgres:
    """A server on which a test run makes its databases."""

    def __init__(self, url: str, origin: str) -> None:
        self.url = url
        self.origin = origin
        self._template: str | None = None
        self._is_template_ready = False

    def database_url(self, name: str) -> str:
        """Where a database of this server is."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def create_database(self) -> str:
        """The name of a new database with the newest schema and no rows."""
        name = new_name()
        self._make_database(name)
        return name

    @contextmanager
    def database(self) -> Iterator[str]:
        """The same for a while; also who is interrupted while it is made leaves none."""
        name = new_name()
        try:
            self._make_database(name)
            yield name
        finally:
            self.drop_database(name)

    def create_empty_database(self) -> str:
        """The name of a new database without any tables."""
        name = new_name()
        self._execute("CREATE DATABASE {} TEMPLATE template0", name)
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def drop_leftovers(self) -> None:
        """Drop the databases of runs that were killed."""
        for name in self._names():
            if is_leftover(name):
                self.drop_database(name)

    def names_made_by(self, pid: int) -> list[str]:
        """The databases that a process of a run has left here."""
        return [name for name in self._names() if is_made_by(name, pid)]

    def _names(self) -> list[str]:
        with closing(_connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            return [name for (name,) in cursor.fetchall()]

    def close(self) -> None:
        """Drop what the run shared between its tests."""
        if self._template is not None:
            self.drop_database(self._template)
            self._template = None
            self._is_template_ready = False

    def _make_database(self, name: str) -> None:
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, self._find_template())

    def _find_template(self) -> str:
        if self._template is not None and self._is_template_ready:
            return self._template
        # Known before it is there: an interrupt may come at any time.
        name = self._template or new_name()
        self._template = name
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._execute("CREATE DATABASE {} TEMPLATE template0", name)
        migrations.upgrade(self.database_url(name))
        self._is_template_ready = True
        return name

    def _execute(self, statement: str, *names: str) -> None:
        with closing(_connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The server for this run.  Raises ServiceMissing with one clear line."""
    _remove_abandoned_servers()
    named = os.environ.get("TEST_POSTGRES_URL") or os.environ.get("POSTGRES_URL")
    if named and named != "none":
        found = _usable(named)
        if found is not None:
            raise ServiceMissing(
                f"PostgreSQL at {mask_secrets(named)}, which the environment names, is of no use: {found}"
            )
        yield from _serve(Postgres(named, "named by the environment"))
        return
    if named != "none":
        for url in _default_urls():
            if _usable(url) is None:
                yield from _serve(Postgres(url, "found on its default port"))
                return
    with own_postgres() as server:
        yield from _serve(Postgres(server.url(), "our own, from a wheel"))


@contextmanager
def own_postgres(
    settings: Mapping[str, str] | None = None, *, admitted: str = "", folder: Path | None = None
) -> Iterator[EmbeddedPostgres]:
    """A running server of our own, which tests may stop, kill and start again.

    `admitted` is a network from which everybody may come; `folder` an empty one that is its place.
    """
    server = EmbeddedPostgres(folder or new_folder(), _FAST_AND_LOOSE | dict(settings or {}))
    try:
        server.start()
        if admitted:
            with (server.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {admitted} trust\n")
            server.stop()
            server.start()
        yield server
    except OperatorError as error:
        raise ServiceMissing(f"PostgreSQL is missing: {error}") from error
    finally:
        server.remove()


def _serve(server: Postgres) -> Iterator[Postgres]:
    try:
        server.drop_leftovers()
        yield server
    finally:
        server.close()


def _default_urls() -> list[str]:
    users = dict.fromkeys(["postgres", getpass.getuser()])
    return [f"postgresql://{user}@127.0.0.1:5432/postgres" for user in users]


def _usable(url: str) -> str | None:
    """Why we can not work with the server, or None if we can."""
    try:
        with closing(_connect(url)) as connection, connection.cursor() as cursor:
            if connection.server_version < OLDEST_VERSION:
                return f"its version is {connection.server_version // 10000}, and 15 is needed"
            cursor.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
            (may_create,) = cursor.fetchone()
            return None if may_create else "its user may not create databases"
    except (psycopg2.OperationalError, psycopg2.ProgrammingError) as error:
        return str(error).strip().splitlines()[0]


def _connect(url: str) -> Any:
    connection = psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=3)
    connection.autocommit = True
    return connection


def _remove_abandoned_servers() -> None:
    for folder in abandoned_folders():
        if (folder / "data").is_dir():
            stop_leftover(folder)
            EmbeddedPostgres(folder).remove()
