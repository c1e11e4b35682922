"""An agent with a store in memory or in SQLite, on a clock that stands still."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import create_engine

from swpt_client.agent import Agent
from swpt_client.moments import Moment, to_datetime
from swpt_client.policy import Timers
from swpt_client.store.memory import MemoryStore
from swpt_client.store.sql import SqlStore
from tests.bench import ALICE, DEBTOR, START

from .wire import Wire


class Office:
    """An agent, its wire, its store and its clock."""

    def __init__(self, store: Any, wire: Wire) -> None:
        self.store = store
        self.wire = wire
        self.now: Moment = START
        self.agent = self.make_agent(wire)

    def make_agent(self, wire: Wire, *, poll_seconds: float = 0.02, **options: Any) -> Agent:
        """One more agent on the same store."""
        return Agent(
            self.store,
            wire,
            subnet=ALICE,
            debtor_ids=[DEBTOR],
            timers=Timers(jitter=0.0),
            clock=self.clock,
            poll_seconds=poll_seconds,
            **options,
        )

    def clock(self) -> datetime:
        """It stands still until a test moves it."""
        return to_datetime(self.now)

    def pay(self, key: str, **options: Any) -> Any:
        """Alice pays."""
        values: dict[str, Any] = {"debtor_id": DEBTOR, "sender": ALICE, "recipient": "2", "amount": 100}
        return self.agent.transfer(key, **(values | options))

    def reserve(self, key: str, **options: Any) -> Any:
        """Alice reserves."""
        values: dict[str, Any] = {
            "debtor_id": DEBTOR,
            "sender": ALICE,
            "recipient": "2",
            "min_amount": 0,
            "max_amount": 100,
        }
        return self.agent.reserve(key, **(values | options))


@pytest.fixture(params=["memory", "sqlite"])
def office(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Office]:
    """An agent that is not started yet; it is stopped at the end."""
    engine = None
    store: Any = MemoryStore()
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path / 'client.db'}")
        store = SqlStore(engine)
    office = Office(store, Wire())
    yield office
    office.agent.stop()
    if engine is not None:
        engine.dispose()
