"""Calls: checked, folded in a transaction of their own or of the caller, tried again after a conflict."""

import random
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from logging import getLogger
from time import monotonic, sleep
from typing import Any, Final, TypeAlias, TypeVar

from msgspec.structs import replace

from .checks import account_fault, begin_fault, bundle_fault, commit_fault, configure_fault, known_key_fault
from .core import Result
from .desk import Answer
from .errors import refused
from .handlers import Handlers
from .inputs import Begin, BeginBundle, Call, Commit, Configure, PersonCall, Refusal
from .metrics import Metrics
from .moments import Moment
from .policy import Policy
from .records import AccountKey
from .store.base import Overtaken, Store, StoreAway, Transaction
from .store.drive import step
from .values import Fault

Words: TypeAlias = Mapping[str, str]
"""The names that a caller knows of fields of the protocol."""
NO_WORDS: Final[Words] = {}
_T = TypeVar("_T")
_logger = getLogger(__name__)
_PATIENCE_SECONDS: Final = 10.0
"""So long a call is tried again after conflicts with other transactions."""
_LONGEST_PAUSE_SECONDS: Final = 0.2
_TRIES_WITHIN: Final = 10
_OF_ONE_ROW: Final = (Begin, Commit, Configure)
"""These insert one record at most, and that first: who finds the key taken has written nothing."""


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

    def call(self, one: Call | PersonCall, session: Any = None, words: Words = NO_WORDS) -> Answer:
        """Fold one call; `words` are the caller's names of fields.

        Raises a Refused if the answer is no, StoreAway if nothing could be stored, and, for a
        `session` of the caller, whatever its database raises.
        """
        self.require(one.key, fault_of(one, self.policy), words)
        result = self._call_alone(one) if session is None else self._call_within(one, session)
        answer = result.answers[0]
        if isinstance(answer, Refusal):
            raise refused(replace(answer, field=words.get(answer.field, answer.field)))
        return answer

    def require(self, key: str | AccountKey, fault: Fault, words: Words = NO_WORDS) -> None:
        """Raise BadField if there is a fault."""
        if fault is not None:
            field, detail = fault
            field = words.get(field, field)
            raise refused(Refusal(code="BAD_FIELD", key=key, field=field, detail=detail))

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
        """In the caller's transaction, of which nothing is undone if a key is taken meanwhile."""
        transaction = self.store.join(session)
        is_whole = isinstance(one, _OF_ONE_ROW)
        for attempt in range(_TRIES_WITHIN):
            try:
                with nullcontext() if is_whole else transaction.savepoint():
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

    def check_question(self, key: str | AccountKey, session: Any = None) -> None:
        """Raise BadField for a name that nothing can have; see also `check_place`."""
        fault = account_fault(key) if isinstance(key, AccountKey) else known_key_fault(key)
        self.require(key, fault)
        self.check_place(session)

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


def fault_of(one: Call | PersonCall, policy: Policy) -> Fault:
    """What is wrong with a call, before any store is asked."""
    if isinstance(one, Configure):
        return configure_fault(one, policy)
    if isinstance(one, Begin):
        return begin_fault(one, policy)
    if isinstance(one, BeginBundle):
        return bundle_fault(one, policy)
    fault = account_fault(one.key) if isinstance(one.key, AccountKey) else known_key_fault(one.key)
    return commit_fault(one) if fault is None and isinstance(one, Commit) else fault
