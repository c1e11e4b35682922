"""Connections to PostgreSQL, and for how long each side waits for the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import psycopg2

Connection: TypeAlias = Any
"""A psycopg2 connection (the driver has no types)."""

CONNECT_TIMEOUT_SECONDS: Final = 5

SILENCE_SECONDS: Final = 15
"""A side that hears nothing from the other for so long, not even its kernel, gives the connection up."""

IDLE_IN_TRANSACTION_SECONDS: Final = 15
"""A session that holds locks and does nothing for so long is ended, and all that it did is undone."""

LOCK_SECONDS: Final = 5
"""Who waits for a lock for so long lets go of its own locks, says so, and tries again."""

_PROBE_SECONDS: Final = 5
_PROBES: Final = SILENCE_SECONDS // _PROBE_SECONDS - 1

# Batches look rows up by key, hundreds at a time, in tables whose size the planner's statistics
# do not know yet.  A nested loop over the primary key is always right for them, and a sequential
# scan would be a disaster.  So the plan does not depend on the keys either, and is made once.
_KEY_LOOKUPS_ONLY: Final = (
    "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c jit=off"
    " -c plan_cache_mode=force_generic_plan"
)


def sqlalchemy_url(url: str) -> str:
    """The same database for SQLAlchemy, whose plain `postgresql://` would pick another driver."""
    for scheme in ("postgresql+psycopg2://", "postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg2://" + url.removeprefix(scheme)
    return url


def liveliness(name: str, options: str = "") -> dict[str, Any]:
    """What the driver is told for every session: who we are, and when each side gives the other up.

    Without it the server would wait for a dead client for two hours, with all its locks, and for one
    that hangs for ever.  `options` are further settings of the session, as `-c name=value`.
    """
    return {
        "application_name": name,
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": _PROBE_SECONDS,
        "keepalives_interval": _PROBE_SECONDS,
        "keepalives_count": _PROBES,
        "tcp_user_timeout": 1000 * SILENCE_SECONDS,
        "options": f"{_patience_of_server()} {options}".rstrip(),
    }


def _patience_of_server() -> str:
    """The same for the server's side; what concerns TCP it ignores on a Unix socket."""
    settings = {
        "tcp_keepalives_idle": _PROBE_SECONDS,
        "tcp_keepalives_interval": _PROBE_SECONDS,
        "tcp_keepalives_count": _PROBES,
        "tcp_user_timeout": f"{SILENCE_SECONDS}s",
        # A session that waits for a lock does not look whether its client lives, unless it is told to.
        "client_connection_check_interval": f"{_PROBE_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
        "lock_timeout": f"{LOCK_SECONDS}s",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def connect(url: str, name: str, *, key_lookups_only: bool = False, **driver: Any) -> Connection:
    """A new connection, in UTC, shown to operators as `name`.  Raises psycopg2.OperationalError.

    What the driver needs to know besides is passed on to it.
    """
    options = "-c timezone=UTC -c synchronous_commit=on -c default_transaction_isolation=read\\ committed"
    if key_lookups_only:
        options += " " + _KEY_LOOKUPS_ONLY
    return psycopg2.connect(url.replace("+psycopg2", "", 1), **(liveliness(name, options) | driver))


@contextmanager
def session(url: str, name: str) -> Iterator[Connection]:
    """A connection that is closed at the end; each `with connection:` inside is a transaction."""
    connection = connect(url, name)
    try:
        yield connection
    finally:
        connection.close()
