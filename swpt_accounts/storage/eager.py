"""A connection that does not wait for a statement until somebody asks what came of it.

`execute` sends the statement and returns, so that Python prepares the parameters of the next one while
PostgreSQL works.  The next `execute`, a look at the results, and the end of the transaction wait; so
statements never overtake each other, and the error of one is raised by what comes after it, at the latest
by the end of the transaction.

For everything else this is the driver's connection: `with connection:` is a transaction.  The driver's
asynchronous mode has no transactions of its own, so they are begun and ended here.
"""

from contextlib import closing, suppress
from select import POLLIN, POLLOUT, poll
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self

import psycopg2
from psycopg2.extensions import (
    POLL_OK,
    POLL_READ,
    TRANSACTION_STATUS_ACTIVE,
    TRANSACTION_STATUS_IDLE,
    TRANSACTION_STATUS_INERROR,
    TRANSACTION_STATUS_INTRANS,
    connection,
    cursor,
    parse_dsn,
)
from psycopg2.sql import Composable

from . import connections
from .prepared import STALE_PLAN_ERRORS, plans_of

_BEGIN: Final = "BEGIN;"
_DEFAULT_PORT: Final = 5432
_IN_TRANSACTION: Final = (TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR)


def connect(url: str, name: str) -> "EagerConnection":
    """A new eager connection for lookups by key (see `db.connect`).  Raises psycopg2.OperationalError."""
    link: EagerConnection = connections.connect(
        url,
        name,
        **_reachable_host(url, name),
        connection_factory=EagerConnection,
        cursor_factory=EagerCursor,
        async_=True,
    )
    try:
        link.establish(connections.CONNECT_TIMEOUT_SECONDS)
        connections.settle(link, connections.silence_seconds(url), key_lookups_only=True)
    except BaseException:
        link.close()
        raise
    return link


def _reachable_host(url: str, name: str) -> dict[str, Any]:
    """Which of several hosts to connect to: only a connection that waits goes on to the next in time."""
    if "," not in parse_dsn(connections.libpq_url(url)).get("host", ""):
        return {}
    with closing(connections.connect(url, name)) as pilot:
        # The driver knows no port of a host that has none in the address, whose list must go all the same.
        return {"host": pilot.info.host, "port": pilot.info.port or _DEFAULT_PORT}


class EagerCursor(cursor):
    """A cursor that waits as late as possible."""

    connection: "EagerConnection"

    def execute(self, query: str | bytes | Composable, vars: Any = None) -> None:  # noqa: A002 - the driver's name
        """Send a statement, after the one before has ended; begin a transaction if there is none."""
        link = self.connection
        link.wait()
        if link.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            query = _BEGIN + _text(query, link)
        link.at_hand, link.may_be_stale = self, plans_of(link).may_be_stale
        super().execute(query, vars)
        link.flush()

    def fetchone(self) -> Any:
        """The next row, as soon as there is one."""
        self.connection.wait()
        return super().fetchone()

    def fetchall(self) -> Any:
        """All rows, as soon as they are there."""
        self.connection.wait()
        return super().fetchall()

    @property
    def rowcount(self) -> int:
        """How many rows the statement has touched, as soon as it has."""
        self.connection.wait()
        return int(super().rowcount)


def _text(query: str | bytes | Composable, link: connection) -> str:
    if isinstance(query, Composable):
        return query.as_string(link)
    return query if isinstance(query, str) else query.decode()


class EagerConnection(connection):
    """See the module."""

    at_hand: EagerCursor | None = None
    """Whose statement is at hand; the driver itself would let go of it."""

    may_be_stale = False
    """Whether the statement at hand has a plan from earlier (see `prepared`)."""

    def __enter__(self) -> Self:
        """Begin a transaction.  Raises psycopg2.InterfaceError if one was left open, and closes then.

        That happens if an exception from outside, as of a signal handler, has hit the end of a transaction.
        """
        if self.isexecuting() or self.get_transaction_status() in _IN_TRANSACTION:
            self.close()
            raise psycopg2.InterfaceError("a transaction was left open")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.rollback()
            return
        try:
            self.commit()
        except BaseException:
            self.rollback()
            raise

    def commit(self) -> None:
        """Wait for the last statement, and commit what it and those before it have done.

        Raises psycopg2.InterfaceError if the connection is closed, and InternalError if there was an
        error of which nobody has taken notice: then nothing is committed.
        """
        self.wait()
        if self.closed:
            raise psycopg2.InterfaceError("connection already closed")
        if self._end("COMMIT") == "ROLLBACK":
            raise psycopg2.InternalError("the transaction had failed, and is rolled back")

    def rollback(self) -> None:
        """End a transaction of which nothing is wanted; nothing happens if the connection is lost."""
        try:
            if self.get_transaction_status() == TRANSACTION_STATUS_ACTIVE:
                with suppress(psycopg2.Error):  # Those of a statement that is not wanted.
                    self._drive(POLL_OK)
            self._end("ROLLBACK")
        except BaseException:
            self.close()
            raise

    def wait(self) -> None:
        """Wait until the statement at hand has ended, and raise its error."""
        if not self.isexecuting():
            return
        try:
            self._drive(POLL_OK)
        except STALE_PLAN_ERRORS as error:
            plans_of(self).blame(error, may_be_stale=self.may_be_stale)
        finally:
            if not self.isexecuting():
                self.at_hand = None

    def flush(self) -> None:
        """Wait until the statement at hand is sent."""
        self._drive(POLL_READ)

    def establish(self, timeout: float) -> None:
        """Connect within so many seconds.  Raises psycopg2.OperationalError."""
        self._drive(POLL_OK, monotonic() + timeout)

    def _drive(self, goal: int, until: float | None = None) -> None:
        while (state := self.poll()) not in (goal, POLL_OK):
            poller = poll()
            poller.register(self.fileno(), POLLIN if state == POLL_READ else POLLOUT)
            left = None if until is None else 1000 * max(0.0, until - monotonic())
            if not poller.poll(left):
                raise psycopg2.OperationalError("timeout expired")

    def _end(self, verb: str) -> str | None:
        """What became of the transaction; None if there is none."""
        if self.get_transaction_status() not in _IN_TRANSACTION:
            return None
        with self.cursor() as ending:
            ending.execute(verb)
            self.wait()
            return str(ending.statusmessage)
