"""Calls: checked, folded in a transaction of their own or of the caller, tried again after a conflict."""

import random
from collections.abc import Callable, Mapping, Sequence
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
from .store.base import Claim, OutboxRow, Overtaken, Store, StoreAway, Transaction
from .store.drive import RefusedAt, step_whole
from .values import Fault

Words: TypeAlias = Mapping[str, str]
"""The names that a caller knows of fields of the protocol."""
NO_WORDS: Final[Words] = {}
Names: TypeAlias = Callable[[int, str], str]
"""The place of a call among others, and a field of it in the protocol: how the caller names that."""
_T = TypeVar("_T")
_logger = getLogger(__name__)
_PATIENCE_SECONDS: Final = 10.0
"""So long a call is tried again after conflicts with other transactions."""
_LONGEST_PAUSE_SECONDS: Final = 0.2
_TRIES_WITHIN: Final = 10
_OF_ONE_ROW: Final = (Begin, Commit, Configure)
"""One of these inserts one record at most, and that first: who finds the key taken has written nothing."""


def _as_it_is(_place: int, field: str) -> str:
    return field


def _bad_field(key: str | AccountKey, fault: tuple[str, str]) -> Refusal:
    return Refusal(code="BAD_FIELD", key=key, field=fault[0], detail=fault[1])


class Office:
    """Takes calls.

    `on_commit` hears of what has been committed, in whichever thread; with a `claim`, the row of the
    outbox is the caller's to send, at once.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy,
        clock: Callable[[], Moment],
        handlers: Handlers,
        metrics: Metrics,
        on_commit: Callable[[Result, OutboxRow | None], None],
        claim: Callable[[], Claim | None] = lambda: None,
    ) -> None:
        self.store = store
        self.policy = policy
        self.clock = clock
        self.handlers = handlers
        self.metrics = metrics
        self._on_commit = on_commit
        self._claim = claim

    def call(self, one: Call | PersonCall, session: Any = None, words: Words = NO_WORDS) -> Answer:
        """Fold one call; `words` are the caller's names of fields.

        Raises a Refused if the answer is no, StoreAway if nothing could be stored, and, for a
        `session` of the caller, whatever its database raises.
        """
        return self.call_all([one], session, lambda _place, field: words.get(field, field))[0]

    def call_all(
        self, calls: Sequence[Call | PersonCall], session: Any = None, named: Names = _as_it_is
    ) -> Sequence[Answer]:
        """Fold calls, one after the other, in one transaction: all of them, or none if one is refused.

        `named` gives the caller's name of a field of the call at a place.  Raises as `call`, for the
        first that is refused; those with a bad field come before all others.
        """
        for place, one in enumerate(calls):
            fault = fault_of(one, self.policy)
            if fault is not None:
                raise refused(_bad_field(one.key, (named(place, fault[0]), fault[1])))
        if not calls:
            return []
        try:
            return (self._call_alone(calls) if session is None else self._call_within(calls, session)).answers
        except RefusedAt as error:
            refusal = error.refusal
            field = named(error.place, refusal.field) if refusal.field else ""
            raise refused(replace(refusal, field=field)) from None

    @staticmethod
    def require(key: str | AccountKey, fault: Fault) -> None:
        """Raise BadField if there is a fault."""
        if fault is not None:
            raise refused(_bad_field(key, fault))

    def _call_alone(self, calls: Sequence[Call | PersonCall]) -> Result:
        self.check_place()

        def work(transaction: Transaction) -> tuple[Result, OutboxRow | None]:
            return self._fold(transaction, calls, self._claim())

        try:
            result, row = self.transact(work)
        except StoreAway as error:
            raise StoreAway(str(error), calls[0].key) from error
        self._on_commit(result, row)
        return result

    def _call_within(self, calls: Sequence[Call | PersonCall], session: Any) -> Result:
        """In the caller's transaction, of which nothing is undone if a key is taken meanwhile.

        Nothing is claimed: the caller may undo a part of its transaction, and what has left cannot be undone.
        """
        transaction = self.store.join(session)
        is_whole = len(calls) == 1 and isinstance(calls[0], _OF_ONE_ROW)
        for attempt in range(_TRIES_WITHIN):
            try:
                with nullcontext() if is_whole else transaction.savepoint():
                    result, _ = self._fold(transaction, calls, None)
            except Overtaken:
                if attempt == _TRIES_WITHIN - 1:
                    raise
                continue
            self.store.after_commit(session, partial(self._on_commit, result, None))
            return result
        raise AssertionError("the last attempt returns or raises")

    def _fold(
        self, transaction: Transaction, calls: Sequence[Call | PersonCall], claim: Claim | None
    ) -> tuple[Result, OutboxRow | None]:
        """The calls, and their news.  Raises RefusedAt, and has stored nothing then."""
        result, row = step_whole(transaction, calls, self.policy, self.clock, claim)
        if result.news:
            self.handlers.tell(transaction, result.news, self.clock())
        return result, row

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
