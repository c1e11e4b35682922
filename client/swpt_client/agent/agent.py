"""The thread-safe face of the client."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from logging import getLogger
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self, TypeVar, get_args

from sqlalchemy import Engine

from swpt_client.bindings import bindings_of
from swpt_client.checks import policy_fault
from swpt_client.core import Result
from swpt_client.handlers import Handler, Handlers
from swpt_client.metrics import Metrics, NoMetrics
from swpt_client.moments import Moment, of_datetime
from swpt_client.news import News
from swpt_client.office import Office
from swpt_client.persons import Persons, Restored
from swpt_client.policy import Policy, Timers, UnknownAccounts
from swpt_client.store.base import Claim, OutboxRow, Retention, Store, StoreAway
from swpt_client.store.sql import SqlStore
from swpt_client.transport.base import Transport
from swpt_client.waiting import Waiters

from .account_calls import AccountCalls
from .inbox import Inbox
from .payment_calls import PaymentCalls
from .pump import Pump
from .wait_calls import WaitCalls, check_timeout
from .worker import Worker

_H = TypeVar("_H", bound=Handler)
_logger = getLogger(__name__)
_HOLD_SECONDS: Final = 2.0
_KINDS: Final = get_args(News)
CRASH_POINTS: Final = ("before_fold", "before_commit", "after_commit", "claimed", "published")


def _store_of(store: Engine | Store) -> Store:
    if isinstance(store, Engine):
        return SqlStore(store)
    if not hasattr(store, "claim"):
        raise TypeError(f"the store must be an engine of SQLAlchemy, or a store, not {store!r}")
    return store


def utcnow() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


class Agent(AccountCalls, PaymentCalls, WaitCalls):
    """The client's half of the protocol for the accounts of one application.

    `store` is an SQLAlchemy engine of the application's database, or a store.  `subnet` is any
    creditor id of ours: all that share its upper 24 bits are ours.  `debtor_ids` are the currencies
    that we issue.  `other_types` are coordinator types of our own, besides `direct`, `agent` and
    `issuing`.  Times are in seconds unless their type says otherwise.

    Calls may come from any thread.  A call stores what is wanted and returns; messages leave after
    its transaction is committed, and are repeated until they are answered.  With `session=` a call
    joins the transaction of the caller: nothing happens if that is rolled back.  Calls raise a
    subclass of `errors.Refused` if the answer is no, and then nothing is stored or sent;
    `errors.StoreAway` if the database is away.

    It is started by `start()` or `with`, and never ends by itself, whatever is away.
    """

    def __init__(
        self,
        store: Engine | Store,
        transport: Transport,
        *,
        subnet: int | None = None,
        debtor_ids: Sequence[int] = (),
        other_types: Sequence[str] = (),
        unknown_accounts: UnknownAccounts = UnknownAccounts.REPORT,
        clock: Callable[[], datetime] = utcnow,
        timers: Timers | None = None,
        retention: Retention | None = None,
        metrics: Metrics | None = None,
        poll_seconds: float = 1.0,
        claim_seconds: float = 30.0,
        hold_seconds: float | None = None,
        crash_at: Callable[[str], None] = lambda _step: None,
    ) -> None:
        """`hold_seconds`: so long the end of a message's way waits for the server's answer, to be
        stored together with it; two seconds, or twice `poll_seconds` if that is less.  `crash_at` is
        called at named steps of the worker (CRASH_POINTS): tests die there.
        """
        self.policy = Policy(
            subnet=subnet,
            debtor_ids=frozenset(debtor_ids),
            other_types=frozenset(other_types),
            unknown_accounts=unknown_accounts,
            timers=timers or Timers(),
        )
        fault = policy_fault(self.policy)
        if fault is not None:
            raise ValueError(" ".join(fault))
        self._store = _store_of(store)
        self._transport = transport
        retention, metrics = retention or Retention(), metrics or NoMetrics()

        def now() -> Moment:
            return of_datetime(clock())

        self._handlers = Handlers(self._store, metrics, retention)
        self._inbox = Inbox()
        self._pump = Pump(
            self._store,
            transport,
            now,
            metrics,
            claim_seconds=claim_seconds,
            hold_seconds=min(_HOLD_SECONDS, 2 * poll_seconds) if hold_seconds is None else hold_seconds,
            crash_at=crash_at,
        )
        self._office = Office(
            self._store, self.policy, now, self._handlers, metrics, self._committed, self._claim
        )
        self.persons = Persons(self._office)
        """What people do: after a restore, and with dead letters."""
        self._waiters = Waiters()
        self._worker = Worker(
            self._office,
            transport,
            self._inbox,
            self._pump,
            self._processed,
            retention=retention,
            poll_seconds=poll_seconds,
            crash_at=crash_at,
        )
        self._is_running = self._was_started = False

    def _claim(self) -> Claim | None:
        return self._pump.claim() if self._is_running and not self._inbox.is_backed_up else None

    def _committed(self, result: Result, row: OutboxRow | None) -> None:
        self._processed(result)
        if row is not None:
            self._inbox.launch(row)
        elif result.outgoing:
            self._inbox.wake()

    def _processed(self, result: Result) -> None:
        self._handlers.report(result.news)
        self._waiters.tell(result)

    # --- start and stop ---------------------------------------------------------------------------

    def start(self) -> None:
        """Make or upgrade the tables, and begin to send and receive; an agent is started once.

        Whatever is away is tried again, without end.  Raises UnfitStore for a database that cannot
        keep what must be kept, as it is set up.
        """
        assert not self._was_started, "an agent is started once; make another one on the same store"
        self._was_started = True
        is_prepared = self._prepare()
        self._is_running = True
        self._transport.start(self._inbox, bindings_of(self.policy))
        self._worker.start(is_prepared=is_prepared)

    def _prepare(self) -> bool:
        try:
            self._store.prepare()
        except StoreAway as error:
            _logger.warning("The store is away (%s); it is tried again", error)
            return False
        return True

    def stop(self, timeout: float = 10.0) -> None:
        """Finish what is under way, within `timeout` seconds; what is not finished goes on at the next start.

        Twice is harmless.
        """
        if not self._is_running:
            return
        self._is_running = False
        deadline = monotonic() + timeout
        if not self._worker.stop(timeout):
            _logger.warning("The agent does not stop within %.1f s", timeout)
        self._transport.stop(max(1.0, deadline - monotonic()))

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @contextmanager
    def begin(self) -> Iterator[Any]:
        """A transaction of the application, in which calls can be: it gives a session (SQLAlchemy's).

        It is committed at the end, and undone by an exception.  Calls in it need `session=`: without it
        they are transactions of their own, which stay if this one is undone, and on SQLite they wait
        for it in vain.  Raises StoreAway, and Overtaken if other transactions were quicker: then the
        whole may be tried again.
        """
        self._office.check_place()
        with self._store.begin() as transaction:
            yield transaction.session

    def catch_up(self, timeout: float) -> bool:
        """Look now at what is due, and not at the next poll: somebody has moved the clock, as a test does.

        Returns when all of it is processed; False if that is not so within `timeout` seconds, and at once
        if the agent does not run.
        """
        check_timeout("", timeout)
        self._office.check_place()
        if not (self._is_running and self._worker.is_alive):
            return False
        return self._inbox.follow().wait(timeout) and self._worker.is_alive

    # --- news -------------------------------------------------------------------------------------

    def on(self, *kinds: type) -> Callable[[_H], _H]:
        """Hear news: `@agent.on(TransferFinished)` over `def handler(session, news)`, before the start.

        The handler works within the transaction in which the news became true: what it does with
        `session`, calls of the agent included, is committed with it.  It must be quick.  If it
        raises, its work is undone, the news are kept as a dead letter, and everything else goes on.
        Raises TypeError for what are no news.
        """

        if not kinds or not all(one in _KINDS for one in kinds):
            raise TypeError(f"on() wants classes of swpt_client.news, not {kinds!r}")

        def add(handler: _H) -> _H:
            for kind in kinds:
                self._handlers.add(kind, handler)
            return handler

        return add

    # --- after a restore --------------------------------------------------------------------------

    def after_restore(self) -> Restored:
        """The application's database was restored from a backup.  See `Persons.after_restore`."""
        assert not self._is_running, "what was under way is parked before anything is sent"
        self._store.prepare()
        return self.persons.after_restore()
