"""Sessions of the database in which each statement and each commit is a step.

The server connects as always; what it gets are its own connections, which stop after each statement.  All
that ends a session or a wait by time is ours, because the time of the world is not that of the database.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

import psycopg2
from psycopg2.errors import LockNotAvailable, QueryCanceled
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection, cursor

from swpt_accounts.roles import gate
from swpt_accounts.roles.chores import held_rows, loop
from swpt_accounts.roles.worker import processing
from swpt_accounts.runtime.standstill import Standstill
from swpt_accounts.shards import app, client, questions, waiting
from swpt_accounts.storage import connections, eager, prepared
from swpt_accounts.storage.outbox import publishing
from swpt_accounts.transactions import account_memory, reachable_memory

from .actors import Actor, current, step
from .swapping import swapped

_COUNT_SECONDS: Final = (
    processing, loop, gate, held_rows, prepared, publishing, account_memory, reachable_memory,
    waiting, questions, client,
)  # fmt: skip

PATIENCE: Final[Mapping[str, str]] = {
    "client_connection_check_interval": "0",
    "deadlock_timeout": "100ms",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "0",
    # The machine under the database does not crash here.
    "synchronous_commit": "off",
}


class LockTimeout(LockNotAvailable):
    """What the database says of who has waited for a lock for too long."""

    pgcode = "55P03"


class Sessions(Protocol):
    """Who is told of sessions."""

    def opened(self, session: "Session") -> None:
        """A session was opened in the thread of an actor."""

    def committed(self, session: "Session") -> None:
        """What a transaction of a session has done can be seen by all from now on."""

    def wall(self) -> int:
        """The moment, by a right clock."""

    def may_connect(self) -> bool:
        """Whether the database takes connections."""

    def loses_commit(self) -> bool:
        """Whether the answer to a commit that was made is lost."""


_sessions: Sessions | None = None


def _known() -> Sessions:
    assert _sessions is not None, "sessions are stepped while `stepped` lasts"
    return _sessions


class _Stepped:
    """What both kinds of connections share."""

    actor: Actor | None = None
    around: object = None
    """What its process finds in the world."""
    pid = 0
    used_at = 0
    """When its last statement was sent."""
    is_ghost = False
    """Its process has vanished, and the database does not know."""
    is_timed_out = False
    """The world has ended its wait for a lock."""

    def admit(self, pid: int) -> None:
        self.actor = current()
        self.pid = pid
        _known().opened(self)  # type: ignore[arg-type]

    def begin(self) -> None:
        """A statement is about to be sent."""
        actor = current()
        if actor is not None:
            actor.session = self.pid
            self.used_at = _known().wall()

    def waited(self, error: QueryCanceled) -> psycopg2.Error:
        """What became of a statement that was ended: its wait for a lock, or the error as it is."""
        if not self.is_timed_out:
            return error
        self.is_timed_out = False
        return LockTimeout("canceling statement due to lock timeout")


class SteppedCursor(cursor):
    """A cursor that stops after each statement."""

    connection: "SteppedConnection"

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - the driver's name
        """Send a statement, and wait for it."""
        self.connection.begin()
        try:
            super().execute(query, vars)
        except QueryCanceled as error:
            raise self.connection.waited(error) from error
        step("statement")


class SteppedConnection(_Stepped, connection):
    """A connection as the driver makes it, with steps."""

    def commit(self) -> None:
        """Commit, between two steps."""
        step("commit")
        self.begin()
        super().commit()
        if current() is not None:
            _known().committed(self)
        _commit_done(self)

    def rollback(self) -> None:
        """Undo, unless nobody is there any more to do so."""
        if not self.is_ghost:
            super().rollback()

    def close(self) -> None:
        """Close, unless nobody is there any more to do so."""
        if not self.is_ghost:
            super().close()


class SteppedEagerConnection(_Stepped, eager.EagerConnection):
    """A connection that does not wait for a statement, with steps."""

    _error: Exception | None = None
    """What came of the statement at hand, until somebody asks."""

    def establish(self, timeout: float) -> None:
        """Connect."""
        if not _known().may_connect():
            raise psycopg2.OperationalError("connection refused")
        super().establish(timeout)
        self.admit(self.info.backend_pid)

    def flush(self) -> None:
        """Send the statement at hand, and take the answer, which nobody has asked for yet.

        What the database does meanwhile, and what the network has brought, is so no thing of chance.
        """
        self.begin()
        self._error = None
        try:
            super().flush()
            super().wait()
            if current() is not None and self.get_transaction_status() == TRANSACTION_STATUS_IDLE:
                _known().committed(self)
        except (psycopg2.Error, prepared.StalePlanError) as error:
            self._error = error
        step("statement")

    def wait(self) -> None:
        """Take the answer, which is there."""
        error, self._error = self._error, None
        if isinstance(error, QueryCanceled):
            raise self.waited(error) from error
        if error is not None:
            raise error
        super().wait()

    def rollback(self) -> None:
        """Undo, unless nobody is there any more to do so."""
        self._error = None
        if not self.is_ghost:
            super().rollback()

    def commit(self) -> None:
        """Commit, between two steps."""
        step("commit")
        super().commit()
        _commit_done(self)

    def close(self) -> None:
        """Close, unless nobody is there any more to do so."""
        if not self.is_ghost:
            super().close()


Session = SteppedConnection | SteppedEagerConnection


def _commit_done(session: Session) -> None:
    step("committed")
    if current() is not None and _known().loses_commit():
        session.close()
        raise psycopg2.OperationalError("server closed the connection unexpectedly")


def _connect(plain: Callable[..., Any]) -> Callable[..., Any]:
    def connect(url: str, name: str, **given: Any) -> Any:
        if given.get("async_") or current() is None:
            return plain(url, name, **given)
        if not _known().may_connect():
            raise psycopg2.OperationalError("connection refused")
        link = plain(url, name, connection_factory=SteppedConnection, cursor_factory=SteppedCursor, **given)
        link.admit(link.info.backend_pid)
        return link

    return connect


@contextmanager
def stepped(sessions: Sessions, monotonic: Callable[[], float]) -> Iterator[None]:
    """As long as it lasts actors get sessions with steps, and count the seconds of the world."""
    global _sessions  # noqa: PLW0603 - as the modules of the server, whose names are changed as well
    names: list[tuple[Any, str, Any]] = [(module, "monotonic", monotonic) for module in _COUNT_SECONDS]
    names += [
        (Standstill.__init__, "__defaults__", (monotonic,)),
        (connections, "connect", _connect(connections.connect)),
        (app, "connect", _connect(connections.connect)),
        (connections, "_patience_of_server", lambda _silence: dict(PATIENCE)),
        (eager, "EagerConnection", SteppedEagerConnection),
    ]
    _sessions = sessions
    with swapped(names):
        yield
        _sessions = None
