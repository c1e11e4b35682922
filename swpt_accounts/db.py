"""Connections to PostgreSQL, and the migrations that make the tables."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg2

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Engine

Connection: TypeAlias = Any
"""A psycopg2 connection (the driver has no types)."""

CONNECT_TIMEOUT_SECONDS: Final = 5
_MIGRATIONS_LOCK: Final = 0x73776D69  # any number that nobody else uses as an advisory lock

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


def migrations_folder() -> Path:
    """Where the migrations are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def _alembic_config(engine: "Engine | None" = None) -> "Config":
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", os.fspath(migrations_folder()))
    settings.attributes["engine"] = engine
    return settings


def upgrade(url: str) -> None:
    """Bring the schema to the newest version.  Safe to repeat, and to run in several processes."""
    # Only this command needs the tools for migrations, whose import takes as long as all others.
    from alembic import command
    from sqlalchemy import create_engine, text

    engine = create_engine(sqlalchemy_url(url))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATIONS_LOCK})
            connection.commit()
            try:
                command.upgrade(_alembic_config(engine), "head")
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATIONS_LOCK})
                connection.commit()
    finally:
        engine.dispose()


def is_migrated(url: str) -> bool:
    """Whether the schema has the newest version that this program knows.

    Raises psycopg2.OperationalError if the database cannot be asked.
    """
    with session(url, "swpt_accounts start") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return False
        cursor.execute("SELECT version_num FROM alembic_version")
        return {row[0] for row in cursor.fetchall()} == newest_versions()


@cache
def newest_versions() -> frozenset[str]:
    """The newest version of the schema that this program knows; the files are named by their versions."""
    versions = [
        path.name.partition("_")[0] for path in (migrations_folder() / "versions").glob("[0-9]*_*.py")
    ]
    return frozenset({max(versions)})
