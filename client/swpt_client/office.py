"""Calls: checked, folded in a transaction of their own or of the caller, tried again after a conflict."""

import random
from collections.abc import Callable
from functools import partial
from logging import getLogger
from time import monotonic, sleep
from typing import Any, Final, TypeVar

from .checks import begin_fault, bundle_fault, commit_fault, configure_fault
from .core import Result
from .desk import Answer
from .errors import refused
from .handlers import Handlers
from .inputs import Begin, BeginBundle, Call, Commit, Configure, PersonCall, Refusal
from .limits import MAX_INT64, MIN_INT64
from .messages.fields import is_config_data
from .metrics import Metrics
from .moments import Moment
from .policy import Policy
from .store.base import Overtaken, Store, StoreAway, Transaction
from .store.drive import step

_T = TypeVar("_T")
_logger = getLogger(__name__)
_PATIENCE_SECONDS: Final = 10.0
"""So long a call is tried again after conflicts with other transactions."""
_LONGEST_PAUSE_SECONDS: Final = 0.2
_TRIES_WITHIN: Final = 10


class Office:
    """Takes calls.  `on_commit` hears of what has been committed, in whichever thread."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        clock: Callable[[], Moment],
        handlers: Handlers,
        metrics: Metrics,
        on_commit: Callable[[Result], None],
    ) -> None:
        self.store = store
        self.policy = policy
        self.clock = clock
        self.handlers = handlers
        self.metrics = metrics
        self._on_commit = on_commit

    def call(self, one: Call | PersonCall, session: Any = None) -> Answer:
        """Fold one call.

        Raises a Refused if the answer is no, StoreAway if nothing could be stored, and, for a
        `session` of the caller, whatever its database raises.
        """
        fault = fault_of(one, self.policy)
        if fault is not None:
            refusal = Refusal(code="BAD_FIELD", key=one.key, field=fault[0], detail=fault[1])
            raise refused(refusal)
        result = self._call_alone(one) if session is None else self._call_within(one, session)
        answer = result.answers[0]
        if isinstance(answer, Refusal):
            raise refused(answer)
        return answer

    def _call_alone(self, one: Call | PersonCall) -> Result:
        self.check_place()

        def work(transaction: Transaction) -> Result:
            return self.fold(transaction, one)

        try:
            result = self.transact(work)
        except StoreAway as error:
            raise StoreAway(str(error), one.key) from error
        self._on_commit(result)
        return result

    def _call_within(self, one: Call | PersonCall, session: Any) -> Result:
        """In a savepoint of the caller's transaction: nothing of it is undone if a key is taken meanwhile."""
        transaction = self.store.join(session)
        for attempt in range(_TRIES_WITHIN):
            try:
                with transaction.savepoint():
                    result = self.fold(transaction, one)
            except Overtaken:
                if attempt == _TRIES_WITHIN - 1:
                    raise
                continue
            self.store.after_commit(session, partial(self._on_commit, result))
            return result
        raise AssertionError("the last attempt returns or raises")

    def fold(self, transaction: Transaction, one: Call | PersonCall) -> Result:
        """One call, and its news."""
        result = step(transaction, [one], self.policy, self.clock)
        if result.news:
            self.handlers.tell(transaction, result.news, self.clock())
        return result

    def check_place(self, session: Any = None) -> None:
        """Assert that this thread is in no handler, or has its session: it would wait for its own locks."""
        is_safe = session is not None or not self.handlers.is_within
        assert is_safe, "within a handler, calls and questions need its session"

    def transact(self, work: Callable[[Transaction], _T]) -> _T:
        """Do something in a transaction, and again after conflicts.  Raises StoreAway, or Overtaken."""
        give_up_at = monotonic() + _PATIENCE_SECONDS
        pause = 0.002
        while True:
            try:
                with self.store.begin() as transaction:
                    return work(transaction)
            except Overtaken as error:
                self.metrics.count("conflicts_total")
                _logger.debug("Another transaction was quicker (%s); it is tried again", error)
                if monotonic() >= give_up_at:
                    raise
            sleep(pause * random.random())  # noqa: S311 - not a secret
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def fault_of(one: Call | PersonCall, policy: Policy) -> tuple[str, str] | None:
    """What is wrong with a call, before any store is asked."""
    if isinstance(one, Configure):
        return configure_fault(one, policy)
    if isinstance(one, Begin):
        return begin_fault(one, policy)
    if isinstance(one, BeginBundle):
        return bundle_fault(one, policy)
    if not _is_key(one.key):
        return "key", "must be a text, or name an account"
    return commit_fault(one) if isinstance(one, Commit) else None


def _is_key(key: object) -> bool:
    if isinstance(key, tuple):
        return all(type(part) is int and MIN_INT64 <= part <= MAX_INT64 for part in key)
    return type(key) is str and is_config_data(key)
