"""The migrations that make the tables, and whether they were made."""

from typing import TYPE_CHECKING

from .connections import session, sqlalchemy_url

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Engine

import os
from functools import cache
from pathlib import Path
from typing import Final

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
