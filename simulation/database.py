"""The database of a simulation: one of its own, empty for each world, and watched from a session beside."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Final

import psycopg2
from psycopg2.extensions import parse_dsn

from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage import migrations
from swpt_accounts.storage.partitions import make_partitions
from swpt_accounts.storage.server_record import keep_promises
from swpt_accounts.storage.shard_record import keep_realm
from swpt_accounts.wire.moments import Moment
from tests.services.postgres import own_postgres

_END_SECONDS: Final = 10.0

# Vacuum and statistics come by the time of the machine, and would change what a seed does.
_SETTINGS: Final = {"autovacuum": "off", "synchronous_commit": "off"}

_TABLES: Final = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname NOT IN ('alembic_version')
    AND NOT c.relispartition
ORDER BY c.relname
"""

_MONTHS: Final = r"""
SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '^journal_\d' ORDER BY 1
"""

# Where nobody is connected, so that it can be copied.
_TEMPLATE: Final = "schema_only"
_FIRST: Final = "first"

# Who waits for a lock that somebody holds; who was woken and goes on waits for nobody.
_BLOCKED: Final = """
SELECT pid FROM unnest(%s) AS pid WHERE cardinality(pg_blocking_pids(pid)) > 0
"""

_IN_TRANSACTION: Final = """
SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s) AND state LIKE 'idle in transaction%%'
"""


class Database:
    """The database, and what a session beside sees of the others."""

    def __init__(self, url: str, url_of: Callable[[str], str]) -> None:
        self.url = url
        self._url_of = url_of
        self._others: list[Database] = []
        self._connection: Any = None

    @property
    def connection(self) -> Any:
        """The session beside, which is made when it is wanted."""
        if self._connection is None:
            self._connection = psycopg2.connect(self.url, application_name="simulation")
            self._connection.autocommit = True
        return self._connection

    def rest(self) -> None:
        """Close the session beside until it is wanted again, so that the database can be copied."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Close the sessions beside."""
        for other in self._others:
            other.close()
        self.rest()

    def beside(self, name: str) -> "Database":
        """Another database of the same server, which may not exist yet."""
        return Database(self._url_of(name), self._url_of)

    def drop(self) -> None:
        """Remove it, if it exists, with all sessions."""
        self.rest()
        name = parse_dsn(self.url)["dbname"]
        with closing(psycopg2.connect(self._url_of("postgres"))) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def several(self, count: int) -> "list[Database]":
        """So many databases of the same server, this one first; they are made when they are wanted."""
        while len(self._others) < count - 1:
            name = f"shard_{len(self._others)}"
            _create(self.url, name, _TEMPLATE)
            self._others.append(self.beside(name))
        return [self, *self._others[: count - 1]]

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a question is answered with."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def empty(self, settings: Settings, now: Moment) -> None:
        """Make it as if it were new, with months of the journal for a moment."""
        with self.connection.cursor() as cursor:
            months = [name for (name,) in self.rows(_MONTHS)]
            if months:
                cursor.execute("DROP TABLE " + ", ".join(months))
            tables = ", ".join(name for (name,) in self.rows(_TABLES))
            cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        with closing(psycopg2.connect(self.url)) as connection:
            keep_promises(connection, settings)
            with connection, connection.cursor() as cursor:
                keep_realm(cursor, settings.realm().binding_key, now)
            make_partitions(connection, now)

    # --- the other sessions -----------------------------------------------------------------------

    def blocked(self, sessions: Sequence[int]) -> set[int]:
        """Those of the sessions that wait for a lock which another session holds."""
        return {pid for (pid,) in self.rows(_BLOCKED, [list(sessions)])}

    def in_transaction(self, sessions: Sequence[int]) -> set[int]:
        """Those of the sessions that are in a transaction, with no statement at hand."""
        return {pid for (pid,) in self.rows(_IN_TRANSACTION, [list(sessions)])}

    def cancel(self, session: int) -> None:
        """End the statement of a session."""
        self.rows("SELECT pg_cancel_backend(%s)", [session])

    def end(self, sessions: Sequence[int]) -> None:
        """End sessions with all that they hold; returns when they are gone."""
        if sessions:
            self.rows("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", [list(sessions)])
            self.await_end(sessions)

    def await_end(self, sessions: Sequence[int]) -> None:
        """Wait until the processes of sessions are gone, so that no byte that is sent to them arrives."""
        limit = monotonic() + _END_SECONDS
        while any(Path(f"/proc/{pid}").exists() for pid in sessions):
            assert monotonic() < limit, "a session does not end"


def _create(url: str, name: str, template: str = "template0") -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")


@contextmanager
def own_database() -> Iterator[Database]:
    """A database on a server of its own, which nobody else uses: the numbers of transactions are its own.

    Raises ServiceMissing.
    """
    with own_postgres(_SETTINGS) as server:
        _create(server.url(), _TEMPLATE)
        migrations.upgrade(server.url(_TEMPLATE))
        _create(server.url(), _FIRST, _TEMPLATE)
        database = Database(server.url(_FIRST), server.url)
        try:
            yield database
        finally:
            database.close()
