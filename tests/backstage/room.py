"""A waiting room on a database, without a worker around it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from swpt_accounts.broker import MemoryPublisher, MemoryTransport
from swpt_accounts.roles.worker.finishing import finish
from swpt_accounts.rules.policy import Policy
from swpt_accounts.runtime import clock
from swpt_accounts.shards.waiting import Asking, WaitingRoom
from swpt_accounts.storage.outbox.publishing import Outbox, RetryDelays
from swpt_accounts.transactions.account_memory import AccountMemory
from swpt_accounts.transactions.context import TransactionContext
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.transactions.reachable_memory import ReachableMemory


class Room:
    """The room, what it remembers, and a broker that takes all that it sends."""

    def __init__(self, postgres_url: str, url: str, policy: Policy, **asking: Any) -> None:
        transport = MemoryTransport()
        transport.declare_topology("swpt_accounts", "#")
        self.outbox = Outbox(postgres_url, MemoryPublisher(transport), RetryDelays(1.0, 300.0), clock.utcnow)
        self.memory = ReachableMemory()
        self._infos, self._accounts = DebtorInfos(), AccountMemory()
        options = {"timeout_seconds": 20.0, "connections": 8, "retry_max_seconds": 1.0}
        self.room = WaitingRoom(
            postgres_url,
            policy,
            self.outbox,
            Asking(base_url=url, **(options | asking)),
            self._context,
            self.memory,
            finish,
        )

    def _context(self, policy: Policy) -> TransactionContext:
        return TransactionContext(
            policy=policy,
            infos=self._infos,
            memory=self._accounts,
            publisher_key=self.outbox.publisher_key,
            queue="swpt_accounts",
            dead_letter_max_open=1000,
            clock=clock.utcnow,
        )


@contextmanager
def open_room(postgres_url: str, url: str, policy: Policy, **asking: Any) -> Iterator[Room]:
    """A room that is closed at the end, in order."""
    room = Room(postgres_url, url, policy, **asking)
    room.room.start()
    try:
        yield room
    finally:
        room.room.stop(5.0)
