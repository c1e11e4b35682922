"""Who waits for an outcome: without a connection, and never all at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, get_ident

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from house.database import Database
from house.program import NoTransport
from house.waiting import Bells, Waiting
from swpt_client.agent import Agent

_PATIENCE_SECONDS = 60.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database to which there is one connection, and no other."""
    engine = create_engine(f"sqlite:///{tmp_path}/one", pool_size=1, max_overflow=0, pool_timeout=5)
    agent = Agent(engine, NoTransport(), subnet=1 << 40, debtor_ids=[1])
    yield Database(agent, engine)
    engine.dispose()


class Crowd:
    """Some who wait for the same, in threads."""

    def __init__(self, database: Database, places: int) -> None:
        self.bells = Bells()
        self.waiting = Waiting(database, self.bells, places, seconds=_PATIENCE_SECONDS)
        self.looks: dict[int, int] = {}
        self.is_over = Event()

    def wait(self) -> int:
        """Wait until it is over; gives how often this one has looked."""
        self.waiting.until("it", self._look, lambda is_over: is_over)
        return self.looks[get_ident()]

    def _look(self, _session: Session) -> bool:
        self.looks[get_ident()] = self.looks.get(get_ident(), 0) + 1
        return self.is_over.is_set()

    def are_waiting(self, count: int) -> None:
        """Until so many have looked a second time, which only those do who wait."""
        pause = Event()
        while sum(looks > 1 for looks in self.looks.values()) < count:
            assert not pause.wait(0.01)


def test_who_waits_holds_no_connection(database: Database) -> None:
    """Four wait, and the only connection is there for who asks something else."""
    crowd = Crowd(database, places=4)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(crowd.wait) for _ in range(4)]
        crowd.are_waiting(4)
        assert database.transact(lambda session: session.in_transaction())
        assert not any(one.done() for one in asked)
        crowd.is_over.set()
    assert all(one.result() > 1 for one in asked)


def test_who_finds_no_place_is_answered_at_once(database: Database) -> None:
    """Two may wait: the third has looked once, so that its thread serves others, who ask something else."""
    crowd = Crowd(database, places=2)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(crowd.wait) for _ in range(2)]
        crowd.are_waiting(2)
        assert crowd.wait() == 1
        assert not any(one.done() for one in asked)
        crowd.is_over.set()
    assert all(one.result() > 1 for one in asked)


def test_a_bell_wakes_when_its_transaction_is_committed(database: Database) -> None:
    """Not before, and not if it is undone."""
    bells = Bells()

    def ring(session: Session) -> None:
        bells.ring(session, "it")
        assert not bell.is_set()

    def fail(session: Session) -> None:
        ring(session)
        raise LookupError

    with bells.hear("it") as bell:
        with pytest.raises(LookupError):
            database.transact(fail)
        assert not bell.is_set()
        database.transact(ring)
        assert bell.is_set()
