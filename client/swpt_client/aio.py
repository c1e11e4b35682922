"""The agent, awaited: the same agent, whose calls run in threads while the event loop goes on.

It has no rules of its own.  `wait` holds no thread, so thousands may wait at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from functools import partial, update_wrapper
from time import monotonic
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from . import agent as threads
from .agent.wait_calls import LOOK_SECONDS, check_timeout
from .records import AccountKey, Bundle, Transfer
from .views import Account
from .waiting import is_resting, is_settled

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _awaited(
    method: Callable[Concatenate[threads.Agent, _P], _T],
) -> Callable[Concatenate["Agent", _P], Coroutine[Any, Any, _T]]:
    """The same call, in a thread; one with a session of `begin`, in that session's thread."""

    async def call(self: "Agent", /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        work = partial(method, self.agent, *args, **kwargs)
        return await self.run_within(kwargs.get("session"), work)

    update_wrapper(call, method)
    return call


class Agent:
    """See `swpt_client.agent.Agent`, which is `self.agent`; handlers of news are added to that.

    All calls raise what they raise there.  Calls that belong into one transaction are awaited
    within `begin`, or go into a function for `run`; with an SQLAlchemy AsyncSession, into one for
    its `run_sync`, to the agent itself.
    """

    def __init__(self, agent: threads.Agent) -> None:
        self.agent = agent
        self._threads: dict[int, ThreadPoolExecutor] = {}
        """By the id of a session: the one thread in which it is used."""

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
    transfer_many = _awaited(threads.Agent.transfer_many)
    issue = _awaited(threads.Agent.issue)
    reserve = _awaited(threads.Agent.reserve)
    commit = _awaited(threads.Agent.commit)
    dismiss = _awaited(threads.Agent.dismiss)
    find_transfer = _awaited(threads.Agent.find_transfer)
    bundle = _awaited(threads.Agent.bundle)
    dismiss_bundle = _awaited(threads.Agent.dismiss_bundle)
    find_bundle = _awaited(threads.Agent.find_bundle)

    # --- transactions -----------------------------------------------------------------------------

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        """A transaction of the application: `async with agent.begin() as session`.

        Calls with `session=session`, and work that is given to `run_within`, are committed at the
        end, or undone by an exception, a cancellation included.  The session (SQLAlchemy's, not
        awaited) has a thread of its own: nothing else may use it.  Raises as `agent.begin`.
        """
        loop = asyncio.get_running_loop()
        # Who is cancelled leaves nothing open: what was begun in the thread is ended in it, in this order.
        with ThreadPoolExecutor(1, "smp-transaction") as thread:
            transaction = self.agent.begin()
            try:
                session = await loop.run_in_executor(thread, transaction.__enter__)
            except asyncio.CancelledError as error:
                thread.submit(_undo, transaction, error)
                raise
            self._threads[id(session)] = thread
            try:
                yield session
            except BaseException as error:
                await asyncio.shield(loop.run_in_executor(thread, _undo, transaction, error))
                raise
            else:
                await asyncio.shield(loop.run_in_executor(thread, transaction.__exit__, None, None, None))
            finally:
                del self._threads[id(session)]

    async def run_within(self, session: Any, work: Callable[[], _T]) -> _T:
        """Do `work()` in the thread of a session of `begin`; without a session, in some thread.

        `await agent.run_within(session, lambda: session.add(order))`
        """
        thread = None if session is None else self._threads.get(id(session))
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(thread, lambda: context.run(work))

    async def run(self, work: Callable[[Any], _T]) -> _T:
        """Do `work(session)` in a transaction, in a thread; calls of `self.agent` in it need the session."""

        def in_transaction() -> _T:
            with self.agent.begin() as session:
                return work(session)

        return await asyncio.to_thread(in_transaction)

    # --- waiting ----------------------------------------------------------------------------------

    async def wait(self, key: str, timeout: float) -> Transfer | Bundle:
        """See `agent.Agent.wait`; no thread waits."""
        check_timeout(key, timeout)
        waker = _Waker()
        with self.agent.watch_end(key, waker.wake) as look:
            return await waker.wait(timeout, look, is_resting)

    async def wait_for_account(
        self,
        debtor_id: int,
        creditor_id: int,
        timeout: float,
        until: Callable[[Account], bool] = is_settled,
    ) -> Account:
        """See `agent.Agent.wait_for_account`; no thread waits."""
        key = AccountKey(debtor_id, creditor_id)
        check_timeout(key, timeout)
        waker = _Waker()
        with self.agent.watch(key, waker.wake):
            return await waker.wait(timeout, partial(self.agent.look_account, key), until)


class _Waker:
    """Lets a coroutine look when some thread says that something has changed, and once a second."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Something has changed; any thread may say so."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def wait(
        self, timeout: float, look: Callable[[_T | None], _T], is_enough: Callable[[_T], bool]
    ) -> _T:
        """What `look` gives when it is enough, or when the time is over."""
        deadline = monotonic() + timeout
        known: _T | None = None
        while True:
            self._changed.clear()
            known = await asyncio.to_thread(look, known)
            left = deadline - monotonic()
            if is_enough(known) or left <= 0.0:
                return known
            try:
                await asyncio.wait_for(self._changed.wait(), min(left, LOOK_SECONDS))
            except TimeoutError:
                continue


def _undo(transaction: Any, error: BaseException) -> None:
    """The transaction hears of the error, which its caller raises anew."""
    try:
        transaction.__exit__(type(error), error, error.__traceback__)
    except BaseException as raised:
        if raised is not error:
            raise
