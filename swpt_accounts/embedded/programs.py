"""The programs of one server in this process: a worker and the chores, on a transport in memory."""

from threading import Event, Thread
from typing import Final

import dramatiq

from swpt_accounts.broker.memory.transport import MemoryTransport
from swpt_accounts.roles import configure, worker
from swpt_accounts.roles.chores import process
from swpt_accounts.roles.composition import make_broker
from swpt_accounts.roles.worker.wiring import make_worker_broker
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage import fitness

_CHORES_STOP_SECONDS: Final = 30.0
_WORKER_STOP_MILLISECONDS: Final = 30_000


class Programs:
    """What works on one database, which is another one's affair."""

    def __init__(self, settings: Settings, transport: MemoryTransport) -> None:
        self._settings = settings
        self._transport = transport
        self._worker: dramatiq.Worker | None = None
        self._stop_chores = Event()
        self._chores: Thread | None = None

    def start(self) -> None:
        """Do what `configure` does, then start a worker and the chores."""
        settings, transport = self._settings, self._transport
        fitness.configure_database(settings)
        broker = make_broker(settings, transport=transport)
        configure.configure_broker(settings, broker)
        self._worker = worker.start(settings, make_worker_broker(settings, transport))
        self._chores = Thread(
            target=process.work, args=(settings, broker, self._stop_chores), name="chores", daemon=True
        )
        self._chores.start()

    def stop(self) -> None:
        """Finish the batch and the chore at hand.  Twice is harmless."""
        try:
            self._stop_chores.set()
            if self._chores is not None:
                self._chores.join(_CHORES_STOP_SECONDS)
            if self._worker is not None:
                self._worker.stop(_WORKER_STOP_MILLISECONDS)
        finally:
            self._worker = self._chores = None
