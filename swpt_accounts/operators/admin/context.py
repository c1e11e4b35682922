"""What every request to the admin listener works with: settings, the clock, database and broker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import Any, Final

from flask import Flask, current_app
from sqlalchemy import Engine, create_engine

from swpt_accounts.broker.state import BrokerState
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.connections import DRIVER, connect
from swpt_accounts.wire.moments import Moment

from .watches import BrokerWatch, DatabaseWatch, count_both

ANSWER_WITHIN_SECONDS: Final = 5

_NAME: Final = "swpt_accounts admin context"

# A question must never keep the server from its work: it ends soon, whatever it waits for, and takes one
# processor.  Every list has an index: to read a table whole may look cheaper, and one day is not.
_SETTINGS: Final = {
    "statement_timeout": f"{ANSWER_WITHIN_SECONDS}s",
    "lock_timeout": "3s",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "enable_seqscan": "off",
}
_GIVE_UP_SOON: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}


class AdminContext:
    """The settings, the clock, a question to the broker, and connections that requests borrow."""

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], Moment],
        count_messages: Callable[[str], int],
        ask_broker: Callable[[], BrokerState] | None = None,
    ) -> None:
        self.settings = settings
        self.now = now
        self.count_messages = count_messages
        queue = settings.protocol_broker_queue
        self.broker = BrokerWatch(ask_broker or partial(count_both, count_messages, queue))
        # Each takes one of the threads, for as long as somebody takes what it makes.
        self.exports = BoundedSemaphore(max(1, settings.admin_threads // 2))
        self.database = DatabaseWatch(settings.postgres_url, settings.metrics_folder)
        self._engine: Engine = create_engine(
            DRIVER,
            creator=lambda: connect(
                settings.postgres_url, "swpt_accounts admin", settings=_SETTINGS, **_GIVE_UP_SOON
            ),
            pool_size=settings.admin_threads,
            max_overflow=0,
            pool_timeout=3,
            pool_pre_ping=True,
        )

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """A connection whose transactions can only read."""
        with self._borrowed(is_read_only=True) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """A connection for the few orders of operators."""
        with self._borrowed(is_read_only=False) as connection:
            yield connection

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._engine.dispose()

    @contextmanager
    def _borrowed(self, *, is_read_only: bool) -> Iterator[Any]:
        borrowed = self._engine.raw_connection()
        try:
            connection: Any = borrowed.driver_connection
            connection.set_session(readonly=is_read_only)
            yield connection
        finally:
            # Whatever was not committed is rolled back.
            borrowed.close()


def set_context(app: Flask, context: AdminContext) -> None:
    """Give the application its context."""
    app.extensions[_NAME] = context


def admin_context() -> AdminContext:
    """The context of the application that serves this request."""
    found: AdminContext = current_app.extensions[_NAME]
    return found
