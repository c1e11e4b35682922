"""Connections to PostgreSQL, and for how long each side waits for the other."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import psycopg2
from psycopg2.extensions import parse_dsn

from . import session_settings

Connection: TypeAlias = Any
"""A psycopg2 connection (the driver has no types)."""

CONNECT_TIMEOUT_SECONDS: Final = 5

SILENCE_SECONDS: Final = 10
"""A side that hears nothing from the other for so long, not even its kernel, gives the connection up.

`tcp_user_timeout` in the address says another time, in milliseconds.
"""

IDLE_IN_TRANSACTION_SECONDS: Final = 15
"""A session that holds locks and does nothing for so long is ended, and all that it did is undone."""

LOCK_SECONDS: Final = 5
"""Who waits for a lock for so long lets go of its own locks, says so, and tries again."""

_PROBES: Final = 2
"""Questions to a side that has been silent for as long as lies between two of them."""

_LIVENESS_CHECK_SECONDS: Final = 5

DRIVER: Final = "postgresql+psycopg2://"
"""The driver, as SQLAlchemy names it; its engines connect by `connect`, as all others do."""

# Left out is what changes nothing by itself: the commands of operators, a healthcheck, and the second look
# of a worker that waits.  Any other name is a role's, also one that somebody will think of later.
_FIND_AT_WORK: Final = """
SELECT DISTINCT application_name FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'swpt\\_accounts %'
    AND application_name NOT IN (
        'swpt_accounts operator', 'swpt_accounts split', 'swpt_accounts healthcheck', 'swpt_accounts watch'
    )
ORDER BY 1
"""


def sessions_at_work(cursor: Any) -> tuple[str, ...]:
    """Whose sessions are on this database, as their roles call them: "worker", "waiting room", "web"."""
    cursor.execute(_FIND_AT_WORK)
    return tuple(name.removeprefix("swpt_accounts ") for (name,) in cursor.fetchall())


def libpq_url(url: str) -> str:
    """The address as libpq knows it, without the driver that SQLAlchemy wants in it."""
    return "postgresql://" + url.removeprefix(DRIVER) if url.startswith(DRIVER) else url


def connect(
    url: str,
    name: str,
    *,
    key_lookups_only: bool = False,
    settings: Mapping[str, str] | None = None,
    **driver: Any,
) -> Connection:
    """A new connection, shown to operators as `name`, with the settings of all sessions and those given.

    What the driver needs to know besides is passed on to it.  An asynchronous one has to be settled by
    whoever makes it.  Raises psycopg2.OperationalError, or OperatorError if the database is of no use.
    """
    silence = silence_seconds(url)
    connection = psycopg2.connect(libpq_url(url), **(_liveliness(name, silence) | driver))
    if not driver.get("async_"):
        try:
            settle(connection, silence, key_lookups_only=key_lookups_only, settings=settings)
        except BaseException:
            connection.close()
            raise
    return connection


def silence_seconds(url: str) -> int:
    """After how many seconds a silent side of a session at this address is given up."""
    said = parse_dsn(libpq_url(url)).get("tcp_user_timeout")
    return SILENCE_SECONDS if said is None else int(said) // 1000


def settle(
    connection: Connection,
    silence: int,
    *,
    key_lookups_only: bool = False,
    settings: Mapping[str, str] | None = None,
) -> None:
    """Make the settings of a new session; raises like `connect`."""
    plans = session_settings.KEY_LOOKUPS_ONLY if key_lookups_only else {}
    session_settings.settle(connection, {**_patience_of_server(silence), **plans, **(settings or {})})


def _probe_seconds(silence: int) -> int:
    """Between two questions to a silent side, the last of which is answered or not when the time is over."""
    return max(1, silence // (_PROBES + 1))


def _liveliness(name: str, silence: int) -> dict[str, Any]:
    """What the driver is told for every session: who we are, and when we give the other side up."""
    return {
        "application_name": name,
        # Before the first byte is exchanged, because the driver reads it only then.
        "client_encoding": session_settings.ENCODING,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": _probe_seconds(silence),
        "keepalives_interval": _probe_seconds(silence),
        "keepalives_count": _PROBES,
        "tcp_user_timeout": 1000 * silence,
    }


def _patience_of_server(silence: int) -> dict[str, str]:
    """When the server gives us up; what concerns TCP it ignores on a Unix socket.

    Without it the server would wait for a dead client for two hours, with all its locks, and for one
    that hangs for ever.
    """
    return {
        "tcp_keepalives_idle": f"{_probe_seconds(silence)}s",
        "tcp_keepalives_interval": f"{_probe_seconds(silence)}s",
        "tcp_keepalives_count": f"{_PROBES}",
        "tcp_user_timeout": f"{silence}s",
        # A session that waits for a lock does not look whether its client lives, unless it is told to.
        "client_connection_check_interval": f"{min(_LIVENESS_CHECK_SECONDS, silence)}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
        "lock_timeout": f"{LOCK_SECONDS}s",
    }


@contextmanager
def session(url: str, name: str) -> Iterator[Connection]:
    """A connection that is closed at the end; each `with connection:` inside is a transaction."""
    connection = connect(url, name)
    try:
        yield connection
    finally:
        connection.close()
