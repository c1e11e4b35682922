"""The application's own database: its rows and the agent's records in one transaction.

Sessions are short, one for each piece of work, and never a request's: who waits for an outcome has none.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine, Executable, create_engine, make_url, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from swpt_client.agent import Agent
from swpt_client.errors import Overtaken, StoreAway

T = TypeVar("T")
_TRIES = 20


class InDoubt(Exception):
    """The connection was lost while the transaction was committed: it may be stored, or not."""


class Database:
    """Does pieces of work, each in a transaction of its own, in which calls of the agent can be."""

    def __init__(self, agent: Agent, engine: Engine) -> None:
        self._agent = agent
        self.engine = engine

    def transact(self, work: Callable[[Session], T]) -> T:
        """Do `work(session)` in a transaction; it may be done several times, of which one counts.

        What it returns must be plain values: rows are worth nothing when the session has ended.
        Raises StoreAway if nothing was stored, and InDoubt if nobody knows.
        """
        for attempt in range(_TRIES):
            is_finishing = False
            try:
                with self._agent.begin() as session:
                    answer = work(session)
                    session.flush()
                    is_finishing = True
                return answer  # noqa: TRY300 - the commit may raise as well
            except Overtaken:
                if attempt == _TRIES - 1:
                    raise StoreAway("too many others are at the same rows") from None
            except IntegrityError:
                # Somebody else was quicker with a key that must be unique: the next try sees theirs.
                if attempt > 2:
                    raise
            except StoreAway as error:
                if is_finishing:
                    raise InDoubt(str(error)) from error
                raise
        raise AssertionError("the last attempt returns or raises")

    def execute(self, statement: Executable) -> None:
        """One statement, in a transaction of its own."""

        def work(session: Session) -> None:
            session.execute(statement)

        self.transact(work)

    def look(self, work: Callable[[Session], T]) -> T:
        """As `transact`, for what only reads: it sees one moment of the whole database."""

        def within(session: Session) -> T:
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            return work(session)

        return self.transact(within)


def make_engine(url: str, *, connections: int) -> Engine:
    """The engine of a database that may be away: nothing waits long for it."""
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg2"),
        pool_size=connections,
        max_overflow=4,
        pool_timeout=5.0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 3, "application_name": "swpt app"},
    )
