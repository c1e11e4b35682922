"""Tables of an application: made at the start, and brought from an earlier version to this one."""

from datetime import datetime
from logging import getLogger
from typing import Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    inspect,
    select,
    text,
)

metadata: Final = MetaData()
_logger = getLogger(__name__)
_LOCK: Final = 0x41505053

version: Final = Table(
    "house_version",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)
signing_key: Final = Table(
    "house_signing_key",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("secret", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
api_key: Final = Table(
    "house_api_key",
    metadata,
    Column("prefix", Text, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("owner", Text, nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
)
visit: Final = Table(
    "house_visit",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("who", Text, nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


class Tables(msgspec.Struct, frozen=True):
    """The tables of one owner, and the statements that lead from each version of them to the next."""

    name: str
    metadata: MetaData
    steps: tuple[tuple[str, ...], ...] = ()
    """From version 1 on.  Only what yesterday's code does not notice: new tables, columns with a default."""
    after: tuple[str, ...] = ()
    """Statements for new tables, that SQLAlchemy does not make by itself, like triggers."""


HOUSE: Final = Tables("house", metadata)


def upgrade(engine: Engine, *wanted: Tables) -> None:
    """Make or upgrade tables; twice is harmless, at once as well."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        for one in (HOUSE, *wanted):
            _upgrade(connection, one)


def _upgrade(connection: Connection, one: Tables) -> None:
    newest = 1 + len(one.steps)
    found = _version(connection, one.name)
    if found >= newest:
        return
    for statements in one.steps[found - 1 :] if found else ():
        for statement in statements:
            connection.execute(text(statement))
    one.metadata.create_all(connection)
    if not found:
        for statement in one.after:
            connection.execute(text(statement))
    connection.execute(version.delete().where(version.c.name == one.name))
    connection.execute(version.insert().values(name=one.name, version=newest))
    _logger.info("The tables of %s are of version %d now.", one.name, newest)


def _version(connection: Connection, name: str) -> int:
    """0 if there are no tables yet."""
    if not inspect(connection).has_table(version.name):
        return 0
    return connection.execute(select(version.c.version).where(version.c.name == name)).scalar() or 0


def moment(at: datetime) -> str:
    """A moment as programs write it."""
    return at.isoformat().replace("+00:00", "Z")
