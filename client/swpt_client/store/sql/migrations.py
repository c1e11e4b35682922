"""Makes the tables, and brings those of an earlier version to this one.

Only what code of yesterday does not notice is ever done: new tables, new indexes, new columns
that have a default, other ways to store the same.  So processes of two versions may run side by
side during an upgrade.
"""

from collections.abc import Mapping
from logging import getLogger
from typing import Final

from sqlalchemy import Connection, Engine, inspect, select, text

from .schema import ACCOUNT_FILLFACTOR, account, meta, metadata

_logger = getLogger(__name__)
_LOCK: Final = 0x534D5043
"""Of PostgreSQL: two processes do not upgrade at once."""

STEPS: Final[tuple[Mapping[str, tuple[str, ...]], ...]] = (
    {"postgresql": (f"ALTER TABLE {account.name} SET (fillfactor = {ACCOUNT_FILLFACTOR})",)},
)
"""From version 1 on: the statements of each step to the next version, by database."""
VERSION: Final = 1 + len(STEPS)


def upgrade(engine: Engine) -> None:
    """Make or upgrade the tables; twice is harmless."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = _version(connection)
        if found == VERSION:
            return
        if found > VERSION:
            _logger.info("The tables of the client are of version %d, this code is of %d", found, VERSION)
            return
        for step in STEPS[found - 1 :] if found else ():
            for statement in step.get(connection.dialect.name, ()):
                connection.execute(text(statement))
        # What a step has not made is not there yet only if nothing is.
        metadata.create_all(connection)
        connection.execute(meta.delete().where(meta.c.name == "version"))
        connection.execute(meta.insert().values(name="version", value=str(VERSION)))
        _logger.info("The tables of the client are of version %d now", VERSION)


def _version(connection: Connection) -> int:
    """0 if there are no tables yet."""
    if not inspect(connection).has_table(meta.name):
        return 0
    found = connection.execute(select(meta.c.value).where(meta.c.name == "version")).scalar()
    return 0 if found is None else int(found)
