"""The stores, one after the other."""

import os
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from swpt_client.store.memory import MemoryStore
from swpt_client.store.sql import SqlStore
from swpt_client.store.sql.schema import meta, metadata

_serial = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Engine]:
    """A PostgreSQL that runs here and lets us make databases; the environment may name another one."""
    named = os.environ.get("TEST_POSTGRES_URL") or "postgresql://postgres@127.0.0.1:5432/postgres"
    if named == "none":
        pytest.skip("no PostgreSQL for the client's store: TEST_POSTGRES_URL is none")
    url = make_url(named)
    engine = create_engine(url.set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT")
    try:
        engine.connect().close()
    except OperationalError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL for the client's store: {str(error.orig).splitlines()[0]}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_database(postgres: Engine) -> Iterator[Engine]:
    """A database of this run."""
    # The server's tests clean up what has such a name and is old.
    name = f"swpt_test_{int(time.time())}_{os.getpid()}_client{next(_serial)}"
    with postgres.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    engine = create_engine(postgres.url.set(database=name))
    yield engine
    engine.dispose()
    with postgres.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def postgres_engine(postgres_database: Engine) -> Engine:
    """A database with empty tables."""
    SqlStore(postgres_database).prepare()
    with postgres_database.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(one for one in metadata.tables if one != meta.name)}"))
    return postgres_database


@pytest.fixture
def sqlite_engine(tmp_path: Any) -> Iterator[Engine]:
    """A database in a file, for this test alone."""
    engine = create_engine(f"sqlite:///{tmp_path / 'client.db'}")
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def sql_store(request: pytest.FixtureRequest) -> SqlStore:
    """A store in a database."""
    store = SqlStore(request.getfixturevalue(f"{request.param}_engine"))
    store.prepare()
    return store


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> MemoryStore | SqlStore:
    """Any store."""
    if request.param == "memory":
        return MemoryStore()
    store = SqlStore(request.getfixturevalue(f"{request.param}_engine"))
    store.prepare()
    return store
