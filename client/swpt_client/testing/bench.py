"""An agent beside a server in memory, for the tests of an application."""

from collections.abc import Callable, Sequence
from time import monotonic, sleep
from types import TracebackType
from typing import Final, Self

from swpt_client.agent import Agent
from swpt_client.moments import MINUTE
from swpt_client.policy import Timers
from swpt_client.store.base import LetterKind, Store
from swpt_client.store.memory import MemoryStore

from .clock import Clock
from .network import PERFECT, Odds
from .server import MemoryServer
from .transport import Network

_POLL_SECONDS: Final = 0.005
_WAIT_SECONDS: Final = 10.0
_SHOWN: Final = 3
"""So many errors of handlers are named."""
SUBNET: Final = 0x0000010000000000
DEBTOR_ID: Final = -1


class Bench:
    """`clock`, `server`, `network`, `store` and `agent`, wired up; with `with`, the agent runs.

    The agent is the real one, with its thread.  Time stands still until `settle` or `clock` moves it,
    and nothing is carried but by `settle`, or `network.run`.  With `store=SqlStore(engine)` handlers
    and calls have sessions of SQLAlchemy, as in an application; without it all is in memory.
    """

    def __init__(
        self,
        *,
        subnet: int = SUBNET,
        debtor_ids: Sequence[int] = (DEBTOR_ID,),
        other_types: Sequence[str] = (),
        seed: int = 0,
        to_server: Odds = PERFECT,
        to_client: Odds = PERFECT,
        store: Store | None = None,
        timers: Timers | None = None,
    ) -> None:
        self.clock = Clock()
        self.server = MemoryServer(self.clock)
        self.network = Network(self.clock, self.server, seed=seed, to_server=to_server, to_client=to_client)
        self.store: Store = MemoryStore() if store is None else store
        self.agent = Agent(
            self.store,
            self.network,
            subnet=subnet,
            debtor_ids=debtor_ids,
            other_types=other_types,
            clock=self.clock,
            timers=timers,
            poll_seconds=_POLL_SECONDS,
            # Here time passes only when nothing waits any more.
            hold_seconds=0.0,
        )

    def __enter__(self) -> Self:
        """Start the agent."""
        self.agent.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the agent.  See `check_handlers`, unless something else has been raised."""
        self.agent.stop()
        if error is None:
            self.check_handlers()

    def check_handlers(self) -> None:
        """Raise AssertionError if a handler has failed: its news are an open dead letter.

        A test that wants a handler to fail closes the letter: `agent.persons.discard(letter.id)`, or
        `put_back` if it shall be told again.
        """
        failed = [one.detail for one in self.agent.persons.letters() if one.kind is LetterKind.NEWS]
        if failed:
            raise AssertionError(f"a handler has failed, of {len(failed)} news: {'; '.join(failed[:_SHOWN])}")

    def settle(self, until: Callable[[], object], *, pause: int = MINUTE) -> None:
        """Carry messages until something is true.  While nothing else happens, time passes by pauses.

        `agent.wait` and `agent.wait_for_account` carry nothing: in a test they are for what is there,
        with a timeout of 0.  Raises TimeoutError after ten real seconds.
        """
        give_up_at = monotonic() + _WAIT_SECONDS
        while not until():
            if monotonic() > give_up_at:
                raise TimeoutError("it does not come true")
            if self.network.run() or self.store.count_outbox():
                sleep(0.0005)
            elif self.network.is_quiet or self.network.to_server.due_at() != self.clock.now:
                self.clock.advance(pause)
                if not self.agent.catch_up(_WAIT_SECONDS):
                    sleep(2 * _POLL_SECONDS)
