"""Says in the log why a session stands still: for whom it waits, or that the database does not answer."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from logging import getLogger
from threading import Event, Thread
from time import monotonic
from typing import Any, Final, NamedTuple

import psycopg2

from swpt_accounts.runtime.errors import first_line

from . import connections

TOLD_AFTER_SECONDS: Final = 3.0
"""Whoever has waited for so long says so."""

_TOLD_AGAIN_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.5
_CONNECT_SECONDS: Final = 2  # libpq takes no less

# Who is waited for may wait for others itself; the last of them holds up all.
_LONGEST_CHAIN: Final = 5
_BLOCKERS: Final = """
WITH RECURSIVE blocker (pid, depth) AS (
    SELECT unnest(pg_blocking_pids(%s)), 1
    UNION
    SELECT unnest(pg_blocking_pids(pid)), depth + 1 FROM blocker WHERE depth < %s)
SELECT pid, application_name, host(client_addr), state, extract(epoch FROM clock_timestamp() - xact_start)
FROM (SELECT pid, min(depth) AS depth FROM blocker GROUP BY pid) AS nearest
    LEFT JOIN pg_stat_activity USING (pid)
ORDER BY depth, pid LIMIT %s
"""

_OWN_STATE: Final = "SELECT state, wait_event_type, wait_event FROM pg_stat_activity WHERE pid = %s"

_logger: Final = getLogger(__name__)


class Blocker(NamedTuple):
    """A session that is waited for; what its user does not show us is None."""

    pid: int
    name: str | None
    address: str | None
    state: str | None
    transaction_seconds: float | None

    def __str__(self) -> str:
        if not self.pid:
            return "a prepared transaction (see pg_prepared_xacts)"
        words = [f'"{self.name}"' if self.name else "without a name", self.address or "a local client"]
        if self.state is None:
            words.append("its user does not show more")
        else:
            words.append(self.state)
        if self.transaction_seconds is not None:
            words.append(f"in its transaction since {self.transaction_seconds:.0f} s")
        return f"process {self.pid} ({', '.join(words)})"


def blockers_of(connection: Any, session: int) -> list[Blocker]:
    """For whom a session waits, the nearest first; empty if it waits for no lock."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_BLOCKERS, [session, _LONGEST_CHAIN, _LONGEST_CHAIN])
        return [
            Blocker(pid, name, address, state, None if seconds is None else float(seconds))
            for pid, name, address, state, seconds in cursor.fetchall()
        ]


def described_blockers(blockers: Sequence[Blocker]) -> str:
    """The same in words."""
    return ", which waits for ".join(map(str, blockers))


def session_number(connection: Any) -> int:
    """The process of the server for this session; a pooler in between tells another one at connecting."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


class Watch:
    """Looks after one session from a thread of its own, and logs when its work does not end.

    `begin` and `end` only note the time: they are for the hot path.
    """

    def __init__(
        self, postgres_url: str, who: str, what_next: str, *, statements_are_short: bool = False
    ) -> None:
        """`what_next` says what happens by itself; a statement that runs is named only if all are short."""
        self._postgres_url = postgres_url
        self._who = who
        self._what_next = what_next
        self._statements_are_short = statements_are_short
        self._begun_at: float | None = None
        self._is_stopping = Event()
        self._thread: Thread | None = None
        self.session: int | None = None
        """The number of the session, or None while there is none."""

    def begin(self) -> None:
        """Work begins, or goes on if it did not come to its end."""
        if self._begun_at is None:
            self._begun_at = monotonic()
            if self._thread is None and not self._is_stopping.is_set():
                self._thread = Thread(target=self._look, name="watch", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """The work is done."""
        self._begun_at = None

    def stop(self) -> None:
        """Look no more."""
        self._is_stopping.set()
        self._begun_at = None

    def _look(self) -> None:
        watched, tell_at = None, 0.0
        while not self._is_stopping.wait(_LOOK_SECONDS):
            begun_at, now = self._begun_at, monotonic()
            if begun_at is None:
                continue
            if begun_at != watched:
                watched, tell_at = begun_at, begun_at + TOLD_AFTER_SECONDS
            if now >= tell_at:
                tell_at = now + _TOLD_AGAIN_SECONDS
                self._log(begun_at)

    def _log(self, begun_at: float) -> None:
        try:
            cause = self._cause()
        except psycopg2.Error as error:
            cause = f"the database does not answer ({first_line(error)})"
        if cause is None or self._begun_at != begun_at:  # It has ended while we asked.
            return
        seconds = monotonic() - begun_at
        _logger.warning("%s waited for %.0f s: %s. %s", self._who, seconds, cause, self._what_next)

    def _connect(self) -> Any:
        return connections.connect(
            self._postgres_url, "swpt_accounts watch", connect_timeout=_CONNECT_SECONDS
        )

    def _cause(self) -> str | None:
        """Why the work does not end; None if it is not for the database.  Raises psycopg2.Error."""
        with closing(self._connect()) as connection:
            pid = self.session
            if pid is None:
                return "it has no connection to the database, which answers others"
            blockers = blockers_of(connection, pid)
            if blockers:
                return f"it waits for a lock of {described_blockers(blockers)}"
            with connection, connection.cursor() as cursor:
                cursor.execute(_OWN_STATE, [pid])
                row = cursor.fetchone()
        if row is None:
            return f"its session, process {pid} of the database, is gone"
        state, kind, event = row
        if state != "active" or not self._statements_are_short:
            return None
        return f"a statement runs, and waits for {kind}: {event}" if kind else "a statement runs"


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Look after the work within the context."""
    watch.begin()
    try:
        yield watch
    finally:
        watch.stop()
