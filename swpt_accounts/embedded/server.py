"""The parts of the real programs in one process: a worker, the chores, and a PostgreSQL in a folder.

What is committed is in PostgreSQL as always.  Messages travel in memory, with receipts: an event
leaves the outbox when its consumer has acknowledged it, and a publisher hears of its message
when the server has committed it.  So `kill -9` of the process loses nothing, if both sides keep
what is not settled and publish it again.
"""

from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

import dramatiq
import psycopg2
from psycopg2 import sql

from swpt_accounts.broker.memory.transport import MemoryTransport
from swpt_accounts.roles import configure, worker
from swpt_accounts.roles.chores import process
from swpt_accounts.roles.composition import make_broker
from swpt_accounts.roles.worker.wiring import make_worker_broker
from swpt_accounts.runtime.settings import Settings, load
from swpt_accounts.storage import readiness
from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres

from .ownership import Ownership

_CHORES_STOP_SECONDS: Final = 30.0
_WORKER_STOP_MILLISECONDS: Final = 30_000


class EmbeddedServer:
    """A server with everything that it keeps in `folder`, which is made if necessary.

    `environ` has settings, named as in `env.development`; POSTGRES_URL is its own affair, and the
    environment of the process is not looked at.  Raises SettingsError for values that it cannot use.
    """

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        *,
        transport: MemoryTransport | None = None,
    ) -> None:
        self.transport = transport or MemoryTransport(with_receipts=True)
        self._ownership = Ownership(folder)
        self._postgres = EmbeddedPostgres(folder)
        self.settings: Settings = load({**(environ or {}), "POSTGRES_URL": self._postgres.url()})
        self._worker: dramatiq.Worker | None = None
        self._stop_chores = Event()
        self._chores: Thread | None = None

    def __enter__(self) -> Self:
        """Start database and server."""
        try:
            self.start_database()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self.stop()

    def start_database(self) -> None:
        """Take the folder and start PostgreSQL.

        Raises OperatorError if it does not start, or if another process has the folder.
        """
        self._ownership.take()
        try:
            self._postgres.start()
        except BaseException:
            self._ownership.give_back()
            raise

    def database_url(self, name: str) -> str:
        """Where another database of the same PostgreSQL is found; it is made if it is not there.

        It is a place for what the program keeps itself.
        """
        connection = psycopg2.connect(self._postgres.url())
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        finally:
            connection.close()
        return self._postgres.url(name)

    def start(self) -> None:
        """Do what `configure` does, then start a worker and the chores."""
        settings, transport = self.settings, self.transport
        readiness.configure_database(settings)
        broker = make_broker(settings, transport=transport)
        configure.configure_broker(settings, broker)
        self._worker = worker.start(settings, make_worker_broker(settings, transport))
        self._chores = Thread(
            target=process.work, args=(settings, broker, self._stop_chores), name="chores", daemon=True
        )
        self._chores.start()

    def stop(self) -> None:
        """Stop what runs: finish the batch and the chore at hand, then end PostgreSQL.  Twice is harmless."""
        try:
            self._stop_chores.set()
            if self._chores is not None:
                self._chores.join(_CHORES_STOP_SECONDS)
            if self._worker is not None:
                self._worker.stop(_WORKER_STOP_MILLISECONDS)
        finally:
            self._worker = self._chores = None
            self._postgres.stop()
            self._ownership.give_back()
