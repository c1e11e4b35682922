"""The migrations that make the tables, and whether they were made."""

import os
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swpt_accounts.runtime.errors import OperatorError

from .connections import DRIVER, connect, session
from .poolers import refuse_shared_sessions
from .watch import Watch, watching

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Engine

_MIGRATIONS_LOCK: Final = 0x73776D69  # any number that nobody else uses as an advisory lock


def migrations_folder() -> Path:
    """Where the migrations are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def _alembic_config(engine: "Engine | None" = None) -> "Config":
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", os.fspath(migrations_folder()))
    settings.attributes["engine"] = engine
    return settings


def upgrade(url: str) -> None:
    """Bring the schema to the newest version.  Safe to repeat, and to run in several processes.

    Raises OperatorError if it has a version that this program does not know.
    """
    # Only this command needs the tools for migrations, whose import takes as long as all others.
    from alembic import command
    from sqlalchemy import text

    engine = make_engine(url)
    watch = Watch(url, "The command has", "It goes on when it can.")
    try:
        with engine.connect() as connection, watching(watch):
            watch.session = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            # Somebody else's migrations may take long.
            connection.execute(text("SET lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATIONS_LOCK})
            connection.commit()
            watch.end()
            try:
                # What is newer than we are is left as it is.
                if found_versions(url) - _known_versions():
                    require_migrated(url)
                command.upgrade(_alembic_config(engine), "head")
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATIONS_LOCK})
                connection.commit()
    finally:
        engine.dispose()


def make_engine(url: str) -> "Engine":
    """The connections of a migration.

    One that waits for a lock on a table has everybody wait behind it, so it gives up like all others.
    """
    from sqlalchemy import NullPool, create_engine

    return create_engine(DRIVER, poolclass=NullPool, creator=partial(connect, url, "swpt_accounts configure"))


def require_migrated(url: str) -> None:
    """Raises OperatorError if the tables are not those of this program, or OperationalError."""
    if (why := misfit(found_versions(url))) is not None:
        raise OperatorError(f"the database {why}")


def found_versions(url: str) -> frozenset[str]:
    """The versions that the schema says it has.

    Raises psycopg2.OperationalError, or OperatorError if the database can not be worked with.
    """
    with session(url, "swpt_accounts start") as connection, connection.cursor() as cursor:
        refuse_shared_sessions(url, connection)
        cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return frozenset()
        cursor.execute("SELECT version_num FROM alembic_version")
        return frozenset(row[0] for row in cursor.fetchall())


def misfit(found: frozenset[str]) -> str | None:
    """What is wrong with tables of these versions, and what to do; None if nothing is."""
    newest = ", ".join(newest_versions())
    if unknown := ", ".join(sorted(found - _known_versions())):
        return (
            f"has tables of another version: this one knows them up to {newest}, and not {unknown}. Start "
            "the version that has made them, or let it take them back (docs/upgrades.md)"
        )
    if found != newest_versions():
        return "lacks the tables of this version: run `swpt-accounts configure` first"
    return None


def is_behind(found: frozenset[str]) -> bool:
    """Whether an upgrade is all that tables of these versions lack."""
    return found <= _known_versions() and found != newest_versions()


def _known_versions() -> frozenset[str]:
    """All versions of the schema that this program knows; the files are named by their versions."""
    folder = migrations_folder() / "versions"
    return frozenset(path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py"))


@cache
def newest_versions() -> frozenset[str]:
    """The newest version of the schema that this program knows."""
    return frozenset({max(_known_versions())})
