"""The disk of the client's database is full: nothing is lost or applied twice, and it goes on by itself."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, LargeBinary, MetaData, Table, event, func, select, text

from swpt_client.agent import Agent
from swpt_client.errors import StoreAway
from swpt_client.moments import to_datetime
from swpt_client.news import EntriesAppended
from swpt_client.policy import Timers
from swpt_client.store.sql import SqlStore
from swpt_client.store.sql.schema import metadata, transfer
from tests.agent.wire import Wire
from tests.bench import ALICE, DEBTOR, START
from tests.server_messages import account_transfer

_COUNT = 30
_NOTE = "n" * 500
_PAGES = 1 << 30
_application = MetaData()
_receipts = Table(
    "receipts",
    _application,
    Column("number", Integer, primary_key=True),
    Column("scan", LargeBinary, nullable=False),
)


class Disk:
    """Of a database: it is full, or it is not."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pages = _PAGES
        if engine.dialect.name == "sqlite":
            event.listen(engine, "checkout", self._limit)

    def _limit(self, connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {self._pages}")

    def fill(self, spared: int) -> None:
        """SQLite gets only so many pages more, and PostgreSQL none for its tables, in its own words.

        What is spared suffices for records of events, and not for what handlers write.
        """
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                self._pages = connection.execute(text("PRAGMA page_count")).scalar_one() + spared
                return
            connection.execute(
                text(
                    "CREATE OR REPLACE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    " RAISE EXCEPTION 'could not extend file: No space left on device'"
                    " USING ERRCODE = 'disk_full'; END $$"
                )
            )
            for table in (_receipts, transfer) if spared else (_receipts, *metadata.sorted_tables):
                connection.execute(
                    text(
                        f"CREATE TRIGGER no_space BEFORE INSERT OR UPDATE ON {table.name}"
                        " FOR EACH ROW EXECUTE FUNCTION no_space()"
                    )
                )

    def clear(self) -> None:
        """Somebody has made room."""
        self._pages = _PAGES
        if self._engine.dialect.name == "postgresql":
            with self._engine.begin() as connection:
                connection.execute(text("DROP FUNCTION IF EXISTS no_space CASCADE"))


@pytest.fixture
def disk(sql_store: SqlStore) -> Iterator[Disk]:
    """Of the store, with a table of the application on it; there is room."""
    _application.create_all(sql_store.engine)
    disk = Disk(sql_store.engine)
    yield disk
    disk.clear()
    _application.drop_all(sql_store.engine)


def files_receipts(session: Any, news: EntriesAppended) -> None:
    """An application that keeps something large for each entry."""
    for one in news.entries:
        session.execute(_receipts.insert().values(number=one.number, scan=bytes(50_000)))


def takes_failures_lightly(session: Any, news: EntriesAppended) -> None:
    """An application that does not want to know, and goes on within the same transaction."""
    try:
        files_receipts(session, news)
    except Exception:
        session.execute(text("UPDATE receipts SET number = 0 WHERE number = 0"))


@pytest.mark.parametrize("handler", [None, files_receipts, takes_failures_lightly])
def test_messages_wait_while_the_disk_is_full(
    sql_store: SqlStore, disk: Disk, handler: Callable[[Any, EntriesAppended], None] | None
) -> None:
    """They are applied once when there is room again, with all that handlers do; calls say StoreAway."""
    wire = Wire()
    agent = Agent(
        sql_store,
        wire,
        subnet=ALICE,
        timers=Timers(jitter=0.0),
        clock=lambda: to_datetime(START),
        poll_seconds=0.02,
    )
    if handler is not None:
        agent.on(EntriesAppended)(handler)
    with agent:
        agent.open_account(DEBTOR, ALICE)
        wire.wait_for("ConfigureAccount")
        wire.wait_until(lambda: sql_store.count_outbox() == 0)
        disk.fill(spared=0 if handler is None else 60)
        tag = wire.deliver(
            *(
                account_transfer(
                    number, 5, 5 * number, previous_transfer_number=number - 1, transfer_note=_NOTE
                )
                for number in range(1, _COUNT + 1)
            )
        )
        wire.wait_until(lambda: agent._worker._away_since is not None, "the agent notices")
        stored = []
        with pytest.raises(StoreAway) as caught:
            for number in range(1000):
                pay(agent, f"{number}")
                stored.append(f"{number}")
        assert caught.value.key == f"{len(stored)}"
        assert not any(one >= tag for _, one in wire.acked)
        disk.clear()
        wire.wait_for_ack(tag)
        assert [one.number for one in agent.entries(DEBTOR, ALICE, limit=100)] == [*range(_COUNT, 0, -1)]
        account = agent.account(DEBTOR, ALICE)
        assert account is not None
        assert account.principal == 5 * _COUNT
        assert list(agent.persons.letters()) == []
        with sql_store.engine.connect() as connection:
            count = connection.execute(select(func.count()).select_from(_receipts)).scalar()
        assert count == (0 if handler is None else _COUNT)
        assert agent.find_transfer(f"{len(stored)}") is None
        stored.append(pay(agent, f"{len(stored)}").key)
        wire.wait_for("PrepareTransfer", len(stored))
        requests = {one["coordinator_request_id"] for one in wire.sent("PrepareTransfer")}
        assert len(requests) == len(stored)


def pay(agent: Agent, key: str) -> Any:
    """A small payment."""
    return agent.transfer(key, debtor_id=DEBTOR, sender=ALICE, recipient="2", amount=1, note=_NOTE)
