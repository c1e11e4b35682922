"""The parts of the real programs in one process: a worker, the chores, and a PostgreSQL in a folder.

What is committed is in PostgreSQL as always.  Messages travel in memory, with receipts: an event
leaves the outbox when its consumer has acknowledged it, and a publisher hears of its message
when the server has committed it.  So `kill -9` of the process loses nothing, if both sides keep
what is not settled and publish it again.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from swpt_accounts.broker.memory.transport import MemoryTransport
from swpt_accounts.runtime.settings import Settings, SettingsError, load
from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres

from .ownership import Ownership
from .programs import Programs


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
        if self.settings.peers_file:
            # Peers are told apart by a name for which a broker vouches, and here is none.
            raise SettingsError(["PEERS_FILE: within a program all agents are one: leave it empty"])
        self._programs = Programs(self.settings, self.transport)

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
        return self._postgres.make_database(name)

    def start(self) -> None:
        """Do what `configure` does, then start a worker and the chores."""
        self._programs.start()

    def stop(self) -> None:
        """Stop what runs: finish the batch and the chore at hand, then end PostgreSQL.  Twice is harmless."""
        try:
            self._programs.stop()
        finally:
            self._postgres.stop()
            self._ownership.give_back()
