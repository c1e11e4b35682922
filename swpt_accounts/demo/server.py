"""The server of the demonstration: the parts of the real programs, in one process.

The transport is in memory: messages in flight end with the process.  What is committed is in
PostgreSQL as always.
"""

from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Final

import dramatiq

from swpt_accounts.broker import MemoryTransport
from swpt_accounts.broker.topology import DEAD_SUFFIX
from swpt_accounts.operators.inspection.tokens import OPERATOR
from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.operators.operations.tokens import create_token
from swpt_accounts.roles import configure, worker
from swpt_accounts.roles.chores import process
from swpt_accounts.roles.composition import make_broker
from swpt_accounts.roles.worker.wiring import make_worker_broker
from swpt_accounts.runtime import clock, logs
from swpt_accounts.runtime.settings import Settings, load
from swpt_accounts.storage import connections, readiness
from swpt_accounts.storage.embedded import EmbeddedPostgres

_CHORES_STOP_SECONDS: Final = 30.0
_WORKER_STOP_MILLISECONDS: Final = 30_000

# Nobody wants to wait a minute for the second announcement of a balance, or for the sum of a currency.
_DIFFERENT: Final = {
    "LOG_LEVEL": "warning",
    "ACCOUNT_UPDATE_MIN_INTERVAL": "0",
    "SUMMARIES_SCAN_INTERVAL": "5",
}


class Server:
    """A worker, the chores, and a PostgreSQL in `folder`."""

    def __init__(self, folder: Path, honoured: Mapping[str, str]) -> None:
        self.transport = MemoryTransport()
        self._postgres = EmbeddedPostgres(folder)
        self.settings: Settings = load({**_DIFFERENT, **honoured, "POSTGRES_URL": self._postgres.url()})
        self._worker: dramatiq.Worker | None = None
        self._stop_chores = Event()
        self._chores: Thread | None = None

    def start_database(self) -> None:
        """Start PostgreSQL.  Raises OperatorError."""
        logs.set_up(self.settings)
        self._postgres.start()

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
        """Stop what runs: finish the batch and the chore at hand, then end PostgreSQL."""
        try:
            self._stop_chores.set()
            if self._chores is not None:
                self._chores.join(_CHORES_STOP_SECONDS)
            if self._worker is not None:
                self._worker.stop(_WORKER_STOP_MILLISECONDS)
        finally:
            self._postgres.stop()

    def make_token(self) -> str:
        """A token for the admin listener, with the role of an operator."""
        with connections.session(self.settings.postgres_url, "swpt_accounts demo") as connection:
            order = Order("demo", "demo", clock.utcnow)
            return create_token(connection, "demo", OPERATOR, expires_days=None, order=order)[1]

    def left(self) -> dict[str, int]:
        """How much is left where nothing should be when all is quiet."""
        queue = self.settings.protocol_broker_queue
        dead = queue + DEAD_SUFFIX
        counts = {
            f"queue {queue}": self.transport.count_messages(queue),
            f"queue {dead}": self.transport.count_messages(dead),
        }
        with (
            connections.session(self.settings.postgres_url, "swpt_accounts demo") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM dead_letter)")
            outbox, dead_letters = cursor.fetchone()
        return counts | {"the outbox": outbox, "the dead letters": dead_letters}
