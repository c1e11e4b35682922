"""Connections to PostgreSQL, and the migrations that make the tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg2

if TYPE_CHECKING:
    pass

Connection: TypeAlias = Any
"""A psycopg2 connection (the driver has no types)."""

CONNECT_TIMEOUT_SECONDS: Final = 5

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


def connect(url: str, name: str, *, key_lookups_only: bool = False, **driver: Any) -> Connection:
    """A new connection, in UTC, shown to operators as `name`.  Raises psycopg2.OperationalError.

    What the driver needs to know besides is passed on to it.
    """
    options = "-c timezone=UTC -c synchronous_commit=on -c default_transaction_isolation=read\\ committed"
    if key_lookups_only:
        options += " " + _KEY_LOOKUPS_ONLY
    return psycopg2.connect(
        url.replace("+psycopg2", "", 1),
        application_name=name,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        options=options,
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=60_000,
        **driver,
    )


@contextmanager
def session(url: str, name: str) -> Iterator[Connection]:
    """A connection that is closed at the end; each `with connection:` inside is a transaction."""
    connection = connect(url, name)
    try:
        yield connection
    finally:
        connection.close()
