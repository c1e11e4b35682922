"""Texts come back as they were stored, whatever the surroundings say; or the store refuses to begin."""

import os
import time
from contextlib import contextmanager
from itertools import count

import pytest
from sqlalchemy import create_engine, text

from swpt_client.agent import Agent
from swpt_client.errors import UnfitStore
from swpt_client.store.sql import SqlStore
from tests.agent.wire import Wire
from tests.bench import ALICE, DEBTOR

NOTE = "Grüße, κόσμε, мир, 世界, 🌍"
_serial = count(1)


@contextmanager
def database(postgres, encoding):
    """An engine on a new database with an encoding."""
    name = f"swpt_test_{int(time.time())}_{os.getpid()}_encoding{next(_serial)}"
    with postgres.connect() as connection:
        connection.execute(
            text(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        )
    engine = create_engine(postgres.url.set(database=name))
    try:
        yield engine
    finally:
        engine.dispose()
        with postgres.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def pay(agent, key="k"):
    """A transfer with a note of all the world, under a key of all the world."""
    return agent.transfer(key, debtor_id=DEBTOR, sender=ALICE, recipient="2", amount=1, note=NOTE)


@pytest.mark.parametrize("encoding", ["UTF8", "SQL_ASCII"])
def test_what_is_stored_comes_back(postgres, monkeypatch, encoding):
    """Whatever PGCLIENTENCODING says, on connections that are older than the store as well."""
    with database(postgres, encoding) as first:
        for surroundings in ("LATIN1", "SQL_ASCII", "UTF8", "WIN1251"):
            monkeypatch.setenv("PGCLIENTENCODING", surroundings)
            engine = create_engine(first.url)
            engine.connect().close()
            store = SqlStore(engine)
            store.prepare()
            agent = Agent(store, Wire(), subnet=ALICE)
            key = f"{NOTE} {surroundings}"
            made = pay(agent, key)
            engine.dispose()
            assert agent.find_transfer(key) == made == pay(agent, key)
            with engine.connect() as connection:
                assert connection.execute(text("SHOW client_encoding")).scalar_one() == "UTF8"
                kept = connection.execute(text("SELECT convert_to(key, 'SQL_ASCII') FROM smp_transfer"))
                assert key.encode() in {bytes(one) for one in kept.scalars()}
            engine.dispose()


def test_somebody_may_change_the_encoding_of_a_connection(postgres_engine):
    """The next one who takes it out of the pool finds it as it should be."""
    agent = Agent(SqlStore(postgres_engine), Wire(), subnet=ALICE)
    with postgres_engine.connect() as connection:
        connection.execute(text("SET client_encoding TO 'LATIN1'"))
        connection.commit()
    made = pay(agent, NOTE)
    other = create_engine(postgres_engine.url)
    assert Agent(SqlStore(other), Wire(), subnet=ALICE).find_transfer(NOTE) == made
    other.dispose()


@pytest.mark.parametrize("encoding", ["LATIN1"])
def test_a_database_that_has_not_all_characters_is_refused_at_the_start(postgres, encoding):
    """Not in the middle of a payment; and the sentence says what to do."""
    with database(postgres, encoding) as engine:
        agent = Agent(engine, Wire(), subnet=ALICE)
        with pytest.raises(UnfitStore, match=rf"encoding {encoding}.*ENCODING 'UTF8'"):
            agent.start()
        agent.stop()
        with engine.connect() as connection:
            assert connection.execute(text("SELECT to_regclass('smp_meta')")).scalar_one() is None


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ", "AUTOCOMMIT"])
def test_an_engine_of_another_isolation_is_refused_at_the_start(postgres_engine, level):
    """Its transactions would not be what the store needs."""
    engine = create_engine(postgres_engine.url, isolation_level=level)
    with pytest.raises(UnfitStore, match=f"READ COMMITTED.*{level}"):
        SqlStore(engine).prepare()
    engine.dispose()
