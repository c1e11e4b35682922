"""The chores without a process: on a clock that a test moves, and with a broker in memory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

from swpt_accounts.broker import MemoryPublisher, MemoryTransport, Publisher
from swpt_accounts.roles.chores.chore import Chore
from swpt_accounts.roles.chores.loop import CHORES, Chores
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage.outbox.publishing import Outbox, RetryDelays
from swpt_accounts.wire.moments import Moment
from tests.backstage.builders import ALICE, NOW
from tests.backstage.stand import Stand
from tests.backstage.stories import clear_outbox, issue


class Housekeeper:
    """Does chores at the moment `now`.  What they emit stays in the table of the outbox."""

    def __init__(
        self,
        postgres_url: str,
        chores: tuple[Chore, ...] = CHORES,
        publisher: Publisher | None = None,
        **environ: str,
    ) -> None:
        self.now: Moment = NOW
        self.settings = load({"POSTGRES_URL": postgres_url, **environ})
        transport = MemoryTransport()
        transport.declare_topology(self.settings.protocol_broker_queue, "#")
        publisher = publisher or MemoryPublisher(transport)
        self.outbox = Outbox(postgres_url, publisher, RetryDelays(1.0, 300.0), self.clock)
        self.chores = Chores(self.settings, self.outbox, chores, self.clock)

    def clock(self) -> Moment:
        """The moment of the test."""
        return self.now

    def do(self, *names: str) -> int:
        """Do these chores to their end, by default all of them; the rows they have handled."""
        return sum(self.chores.do_all(chore, Event()) for chore in _called(names))

    def close(self) -> None:
        """End as an orderly process does."""
        self.chores.close()
        self.outbox.stop(1.0)


def _called(names: Iterable[str]) -> list[Chore]:
    wanted = list(names) or [chore.name for chore in CHORES]
    return [chore for name in wanted for chore in CHORES if chore.name == name]


@contextmanager
def housekeeping(postgres_url: str, **options: Any) -> Iterator[Housekeeper]:
    """A housekeeper that is closed at the end."""
    keeper = Housekeeper(postgres_url, **options)
    try:
        yield keeper
    finally:
        keeper.close()


def populate(stand: Stand, count: int, interest: float = 7.5) -> None:
    """A root account, and accounts with money that have earned interest."""
    stand.apply(*issue(ALICE, 1000))
    columns = [
        column
        for (column,) in stand.rows(
            "SELECT attname FROM pg_attribute WHERE attrelid ="
            " 'account'::regclass AND attnum > 0 ORDER BY attnum"
        )
    ]
    changed = {"creditor_id": "n", "principal": "100", "interest": "%s"}
    stand.execute(
        f"INSERT INTO account SELECT {', '.join(changed.get(c, c) for c in columns)}"
        " FROM account, generate_series(10000, 9999 + %s) AS n WHERE creditor_id = %s",
        interest,
        count,
        ALICE,
    )
    stand.execute("UPDATE account SET principal = -1000 - 100 * %s WHERE creditor_id = 0", count)
    clear_outbox(stand)


def only_chore(name: str) -> tuple[Chore, ...]:
    """The chore of this name."""
    return tuple(chore for chore in CHORES if chore.name == name)
