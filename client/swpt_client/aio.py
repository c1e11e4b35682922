"""The agent, awaited: the same agent, whose calls run in threads while the event loop goes on.

It has no rules of its own.  `wait` holds no thread, so thousands may wait at once.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from time import monotonic
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from . import agent as threads
from .records import Bundle, Transfer
from .waiting import is_resting

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LOOK_SECONDS: Final = 1.0


def _awaited(
    method: Callable[Concatenate[threads.Agent, _P], _T],
) -> Callable[Concatenate["Agent", _P], Coroutine[Any, Any, _T]]:
    """The same call, in a thread."""

    async def call(self: "Agent", /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return await asyncio.to_thread(method, self.agent, *args, **kwargs)

    update_wrapper(call, method)
    return call


class Agent:
    """See `swpt_client.agent.Agent`, which is `self.agent`; handlers of news are added to that.

    Calls that belong into one transaction go into a function for `run`; with an SQLAlchemy
    AsyncSession, into one for its `run_sync`, to the agent itself.
    """

    def __init__(self, agent: threads.Agent) -> None:
        self.agent = agent

    async def __aenter__(self) -> Self:
        """Start."""
        await asyncio.to_thread(self.agent.start)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await asyncio.to_thread(self.agent.stop)

    open_account = _awaited(threads.Agent.open_account)
    configure = _awaited(threads.Agent.configure)
    close_account = _awaited(threads.Agent.close_account)
    account = _awaited(threads.Agent.account)
    entries = _awaited(threads.Agent.entries)
    transfer = _awaited(threads.Agent.transfer)
    issue = _awaited(threads.Agent.issue)
    reserve = _awaited(threads.Agent.reserve)
    commit = _awaited(threads.Agent.commit)
    dismiss = _awaited(threads.Agent.dismiss)
    find_transfer = _awaited(threads.Agent.find_transfer)
    bundle = _awaited(threads.Agent.bundle)
    dismiss_bundle = _awaited(threads.Agent.dismiss_bundle)
    find_bundle = _awaited(threads.Agent.find_bundle)

    async def run(self, work: Callable[[Any], _T]) -> _T:
        """Do `work(session)` in a transaction, in a thread; calls of `self.agent` in it need the session."""

        def in_transaction() -> _T:
            with self.agent.begin() as session:
                return work(session)

        return await asyncio.to_thread(in_transaction)

    async def wait(self, key: str, timeout: float) -> Transfer | Bundle:
        """Wait at most `timeout` seconds until a transfer or a bundle ends, or is somebody's turn.

        Gives the record as it is then.  Raises NotFound.
        """
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        deadline = monotonic() + timeout

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        with self.agent.watch(key, wake):
            known: Transfer | Bundle | None = None
            while True:
                changed.clear()
                known = await asyncio.to_thread(self.agent.look, key, known)
                left = deadline - monotonic()
                if is_resting(known) or left <= 0.0:
                    return known
                try:
                    await asyncio.wait_for(changed.wait(), min(left, _LOOK_SECONDS))
                except TimeoutError:
                    continue
