"""What a database does besides: several at once, sessions of the application, upgrades, errors."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, Event

import pytest
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from swpt_client.core import Result
from swpt_client.errors import KeyConflict
from swpt_client.handlers import Handlers
from swpt_client.inputs import Begin, Configure
from swpt_client.metrics import NoMetrics
from swpt_client.news import TransferFinished
from swpt_client.office import Office
from swpt_client.store.base import LetterState, Overtaken, Retention, StoreAway, UnfitStore
from swpt_client.store.sql import SqlStore
from swpt_client.store.sql.migrations import VERSION
from swpt_client.store.sql.schema import meta, metadata
from tests.bench import BOB, POLICY, START

from .teller import ACCOUNT, PAYMENT, REQUEST, Teller, step

# In SQLite there is one transaction at a time.
ON_POSTGRESQL = pytest.mark.parametrize("sql_store", ["postgres"], indirect=True)
OTHER = ACCOUNT._replace(creditor_id=BOB)


def office_on(store, committed=None):
    """Takes calls for a store."""
    handlers = Handlers(store, NoMetrics(), Retention())

    def told(result, _row):
        if committed is not None:
            committed.append(result)

    return Office(store, POLICY, lambda: START, handlers, NoMetrics(), told)


def begin(key, decision=PAYMENT):
    """A call."""
    return Begin(key=key, request=REQUEST, decision=decision)


def test_one_key_begun_by_many_at_once_is_one_transfer(sql_store):
    """Each gets the same record, and one message leaves."""
    barrier = Barrier(4)

    def call(number):
        office = office_on(sql_store)
        found = []
        for key in range(5):
            barrier.wait(20)
            found.append(office.call(begin(f"{key}")).coordinator_request_id)
        return found

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(call, range(4)))
    assert all(one == results[0] for one in results)
    assert sql_store.count_outbox() == 5


@ON_POSTGRESQL
def test_a_key_that_is_taken_meanwhile_undoes_nothing_of_the_caller(sql_store):
    """Who waits in his own transaction for somebody else's key gets that record, or the conflict."""
    office, is_begun, is_waiting = office_on(sql_store), Event(), Event()

    def hold():
        with sql_store.begin() as transaction:
            office.call(begin("k"), transaction.session)
            is_begun.set()
            is_waiting.wait(20)
            # The other one is blocked by now, or will be overtaken: both are right.

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert is_begun.wait(20)
        with sql_store.begin() as transaction:
            session = transaction.session
            session.execute(text("CREATE TABLE mine (number integer)"))
            is_waiting.set()
            with pytest.raises(KeyConflict):
                office.call(begin("k", None), session)
            office.call(begin("other"), session)
            session.execute(text("INSERT INTO mine VALUES (1)"))
        holding.result()
    assert sql_store.transfer("k").decision == PAYMENT
    assert sql_store.transfer("other") is not None
    with sql_store.engine.begin() as connection:
        assert connection.execute(text("SELECT number FROM mine")).scalar() == 1
        connection.execute(text("DROP TABLE mine"))


@ON_POSTGRESQL
def test_a_payment_does_not_wait_for_who_has_its_account(sql_store):
    """What begins only looks at its sender: it is stored while somebody else changes the account."""
    office = office_on(sql_store)
    office.call(Configure(key=ACCOUNT))
    with ThreadPoolExecutor(1) as pool, sql_store.begin() as transaction:
        step(transaction, [Configure(key=ACCOUNT, negligible_amount=1.0)], POLICY, lambda: START)
        paid = pool.submit(office.call, begin("k")).result(20)
    assert sql_store.transfer("k") == paid


def test_a_session_of_the_application_tells_of_its_commit(sql_store):
    """After the commit, not before; not for what was rolled back."""
    committed: list[Result] = []
    office = office_on(sql_store, committed)
    with Session(sql_store.engine) as session:
        office.call(begin("a"), session)
        assert committed == []
        session.rollback()
        office.call(begin("b"), session)
        with session.begin_nested():
            office.call(begin("c"), session)
        assert committed == []
        session.commit()
        assert [list(one.transfers) for one in committed] == [["b"], ["c"]]
        session.commit()
    assert len(committed) == 2
    assert sql_store.transfer("a") is None


@ON_POSTGRESQL
def test_who_meets_others_in_the_wrong_order_tries_again(sql_store):
    """The database ends a deadlock; the call is repeated, and nobody sees it."""
    office = office_on(sql_store)
    for key in (ACCOUNT, OTHER):
        office.call(Configure(key=key))
    barrier = Barrier(2)

    def work(keys):
        tries = []

        def configure(transaction):
            tries.append(keys)
            for number, key in enumerate(keys):
                step(transaction, [Configure(key=key, config_data=f"{keys}")], POLICY, lambda: START)
                if number == 0 and len(tries) == 1:
                    barrier.wait(20)

        office.transact(configure)
        return len(tries)

    with ThreadPoolExecutor(2) as pool:
        tries = list(pool.map(work, ([ACCOUNT, OTHER], [OTHER, ACCOUNT])))
    # Whoever was ended may meet the other one once more before that goes on.
    assert sum(tries) > 2
    assert sql_store.account(ACCOUNT).configuration.last_seqnum == 2
    assert sql_store.account(OTHER).configuration.last_seqnum == 2


def test_tables_are_made_once_by_many(sql_store):
    """Two processes that start at once do not stand in each other's way; newer tables are left alone."""
    metadata.drop_all(sql_store.engine)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: sql_store.prepare(), range(4)))
    assert set(metadata.tables) <= set(inspect(sql_store.engine).get_table_names())

    def version():
        with sql_store.engine.begin() as connection:
            return connection.execute(select(meta.c.value)).scalar()

    assert version() == str(VERSION)
    with sql_store.engine.begin() as connection:
        connection.execute(meta.update().values(value="99"))
    sql_store.prepare()
    assert version() == "99"
    with sql_store.engine.begin() as connection:
        connection.execute(meta.update().values(value=str(VERSION)))


def test_errors_of_the_database_have_an_author(sql_store):
    """Away, a conflict, unfit for use, or somebody's program."""
    with pytest.raises(DBAPIError) as one, sql_store.begin() as transaction:
        transaction.session.execute(text("SELECT * FROM nowhere"))
    assert sql_store.is_unfit(one.value)
    assert not sql_store.is_passing(one.value)
    with pytest.raises(IntegrityError) as one, sql_store.begin() as transaction:
        for _ in range(2):
            transaction.session.execute(meta.insert().values(name="twice", value=""))
    assert not sql_store.is_unfit(one.value)
    assert not sql_store.is_passing(one.value)
    assert not sql_store.is_passing(ValueError())
    assert sql_store.is_passing(Overtaken())
    url = "postgresql+psycopg2://postgres@127.0.0.1:1/none"
    if sql_store.engine.dialect.name == "sqlite":
        url = "sqlite:////nowhere/at/all.db"
    away = SqlStore(create_engine(url))
    with pytest.raises(StoreAway):
        away.prepare()
    with pytest.raises(StoreAway):
        away.transfer("k")
    with pytest.raises(StoreAway) as caught:
        office_on(away).call(begin("k"))
    assert caught.value.key == "k"


def test_other_databases_are_refused():
    """What was never tried is not promised."""
    engine = create_engine("sqlite://")
    engine.dialect.name = "mysql"
    with pytest.raises(ValueError, match="PostgreSQL or SQLite, not mysql"):
        SqlStore(engine)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url):
    """Each thread would have another one, and nothing would work."""
    with pytest.raises(UnfitStore, match="must be in a file"):
        SqlStore(create_engine(url)).prepare()


def test_a_server_without_nulls_in_arrays_is_refused(postgres_database):
    """NULL would be a text of four letters."""
    engine = create_engine(postgres_database.url, connect_args={"options": "-c array_nulls=off"})
    with pytest.raises(UnfitStore, match="array_nulls"):
        SqlStore(engine).prepare()
    engine.dispose()


@ON_POSTGRESQL
def test_a_handler_that_catches_an_error_of_postgresql_has_failed(sql_store):
    """The transaction cannot go on behind it; its news are parked, and nobody waits for the database."""
    handlers = Handlers(sql_store, NoMetrics(), Retention())

    def hear(session, _news):
        with sql_store.join(session).savepoint():
            session.execute(text("SELECT 1"))
        with suppress(DBAPIError):
            session.execute(text("SELECT 1 / 0"))

    handlers.add(TransferFinished, hear)
    Teller(sql_store).feed(begin("k"))
    finished = TransferFinished(transfer=sql_store.transfer("k"))
    with sql_store.begin() as transaction:
        handlers.tell(transaction, [finished], START)
    (letter,) = sql_store.letters(LetterState.OPEN, 0, 10)
    assert letter.reason == "handler_failed"
    assert "division by zero" in letter.detail


@ON_POSTGRESQL
def test_a_handler_that_catches_the_end_of_its_session_stops_nobody(sql_store):
    """The database is away then, and the batch comes again; nothing is parked."""
    handlers = Handlers(sql_store, NoMetrics(), Retention())
    told = []

    def hear(session, _news):
        told.append(session)
        number = session.execute(text("SELECT pg_backend_pid()")).scalar()
        with sql_store.engine.connect() as other:
            other.execute(text(f"SELECT pg_terminate_backend({number}, 30000)"))
        with suppress(DBAPIError):
            session.execute(text("SELECT 1"))

    handlers.add(TransferFinished, hear)
    Teller(sql_store).feed(begin("k"))
    finished = TransferFinished(transfer=sql_store.transfer("k"))
    with pytest.raises(StoreAway), sql_store.begin() as transaction:
        handlers.tell(transaction, [finished], START)
    assert len(told) == 1
    assert sql_store.letters(LetterState.OPEN, 0, 10) == []


def test_a_large_batch_is_stored_at_once(sql_store):
    """Hundreds of records, as after a restart."""
    teller = Teller(sql_store)
    result = teller.feed(*(begin(f"{number}") for number in range(1000)))
    assert len(result.transfers) == 1000
    assert sum(len(row.parcels) for row in teller.claim(5000)) == 1000
