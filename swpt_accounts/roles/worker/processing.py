"""Carries a batch through its transaction: tries again, backs off, and isolates the culprit.

See rules.md#failures.  Their mistake goes to the dead letters, our overload slows down, and our
bug is loud.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from itertools import groupby
from logging import DEBUG, WARNING, getLogger
from threading import Event
from time import monotonic, perf_counter
from typing import Any, Final, TypeAlias

from swpt_accounts import procedures
from swpt_accounts.broker.batch import Batch, Delivered
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.procedures import Applied
from swpt_accounts.roles.culprits import FEW, are_too_many, find_culprits
from swpt_accounts.roles.gate import Gate
from swpt_accounts.rules.facts import RequestKey
from swpt_accounts.rules.policy import Policy
from swpt_accounts.runtime import metrics
from swpt_accounts.runtime.errors import first_line
from swpt_accounts.runtime.pauses import Pauses
from swpt_accounts.storage import eager
from swpt_accounts.storage.faults import Fault, fault_of
from swpt_accounts.storage.outbox.publishing import Outbox
from swpt_accounts.storage.watch import Watch, session_number
from swpt_accounts.transactions.context import TransactionContext, load_policy
from swpt_accounts.wire.messages import PrepareTransfer

from .about import about_item
from .finishing import finish

# An outage of the database that lasts longer closes the consumer.
PATIENCE_SECONDS: Final = 60.0

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 10.0
_LONGEST_OUTAGE_PAUSE_SECONDS: Final = 3.0
_POLICY_SECONDS: Final = 1.0

# So many conflicts in a row are worth a line in the log.
_MANY_CONFLICTS: Final = 20

# A message that came so often may be the one that kills the process.  Deployments raise the count
# as well, so this condemns nobody: the message is just tried alone, with its attempts written down.
_SUSPICIOUS_DELIVERIES: Final = 5

TakenAlong: TypeAlias = Callable[[int], AbstractContextManager[Mapping[RequestKey, bool]]]
"""Answers of other shards that a batch of so many messages decides in its transaction, inside of this."""

_logger: Final = getLogger(__name__)


def nothing_taken_along(messages: int) -> AbstractContextManager[Mapping[RequestKey, bool]]:
    """No shard is asked, or batches have nothing to do with its answers."""
    return nullcontext({})


class DatabaseAwayError(Exception):
    """The database cannot be used now; no message is to blame."""


class OurFaultError(Exception):
    """So many messages fail that the mistake must be ours."""


class Processor:
    """Processes the batches of one consumer, one after the other."""

    def __init__(
        self,
        postgres_url: str,
        policy: Policy,
        outbox: Outbox,
        gate: Gate,
        make_context: Callable[[Policy], TransactionContext],
        max_delivery_attempts: int,
        patience_seconds: float = PATIENCE_SECONDS,
        ask: Callable[[Sequence[PrepareTransfer]], None] | None = None,
        taken_along: TakenAlong = nothing_taken_along,
    ) -> None:
        self._postgres_url = postgres_url
        self._policy = policy
        self._outbox = outbox
        self._gate = gate
        self._make_context = make_context
        self._max_attempts = max_delivery_attempts
        self._patience_seconds = patience_seconds
        self._ask = ask
        self._taken_along = taken_along
        self._connection: Any = None
        self._context: TransactionContext | None = None
        self._context_until = 0.0
        self._failures_in_a_row = 0
        self._received_at: float | None = None
        self._is_stopping = Event()
        self._watch = Watch(
            postgres_url,
            "The worker has",
            "It holds its messages, and tries again.",
            statements_are_short=True,
        )

    def stop(self) -> None:
        """Give up waiting for the database; the batch at hand comes again elsewhere."""
        self._is_stopping.set()

    def close(self) -> None:
        """Close the connection to the database."""
        self._watch.stop()
        self._disconnect()

    def process(self, batch: Batch) -> None:
        """Commit all effects of the batch and settle it; or leave it unsettled, to come again."""
        self._watch.begin()
        try:
            self._process(batch)
        finally:
            self._watch.end()

    def _process(self, batch: Batch) -> None:
        give_up_at = monotonic() + self._patience_seconds
        pauses = Pauses(_FIRST_PAUSE_SECONDS, _LONGEST_OUTAGE_PAUSE_SECONDS)
        begun_at, self._received_at = perf_counter(), batch.received_at
        self._gate.standstill.begin()
        while not self._is_stopping.is_set():
            try:
                self._commit_all(batch.items)
            except DatabaseAwayError as error:
                metrics.RETRIES.labels("outage").inc()
                self._disconnect()
                if self._is_stopping.is_set():
                    return
                if monotonic() > give_up_at:
                    self._gate.shut(first_line(error), partial(self._rehearse, batch.items))
                    return
                self._gate.standstill.begin(first_line(error))
                pause = pauses.draw()
                _logger.warning(
                    "The database is away (%s): holding %d messages, trying again in %.1f s.",
                    first_line(error),
                    len(batch.items),
                    pause,
                )
                self._is_stopping.wait(pause)
            except OurFaultError as error:
                metrics.RETRIES.labels("our_fault").inc()
                _logger.critical("ALARM: %s. Giving the batch back to the queue.", error)
                self._gate.standstill.end()
                self._is_stopping.wait(_LONGEST_PAUSE_SECONDS)
                return
            else:
                batch.settle()
                self._gate.standstill.end()
                metrics.BATCH_MESSAGES.observe(len(batch))
                metrics.BATCH_SECONDS.observe(perf_counter() - begun_at)
                return

    def _rehearse(self, items: Sequence[Delivered]) -> str:
        """Why these items cannot be done now; empty text if they can, or if only they are to blame."""
        try:
            with closing(eager.connect(self._postgres_url, "swpt_accounts gate")) as connection:
                context = self._make_context(load_policy(connection, self._policy))
                procedures.rehearse_batch(connection, items, context)
        except Exception as error:
            return first_line(error) if fault_of(error) is Fault.OUTAGE else ""
        return ""

    # -- a batch -------------------------------------------------------------------------------

    def _commit_all(self, items: Sequence[Delivered]) -> None:
        culprits: list[tuple[Delivered, str]] = []
        for is_suspicious, group in groupby(items, _is_suspicious):
            if is_suspicious:
                for item in group:
                    self._commit_alone(item, culprits)
            else:
                self._commit(list(group), culprits)
        explanation = self._explain_our_fault(len(culprits), len(items))
        if explanation:
            self._absolve(culprits)
            raise OurFaultError(f"{explanation}, the last: {culprits[-1][1]}")
        for item, why in culprits:
            self._put_aside(item, why)

    def _explain_our_fault(self, culprits: int, size: int) -> str:
        """Why the culprits of a batch are innocent; empty text if they are not."""
        self._failures_in_a_row = culprits + (self._failures_in_a_row if culprits == size else 0)
        if are_too_many(culprits, size):
            return f"{culprits} of {size} messages fail"
        # On a quiet server a batch is one message, and all of them fail one after the other.
        if culprits == size and self._failures_in_a_row > FEW:
            return f"{self._failures_in_a_row} messages in a row fail"
        return ""

    def _commit(self, items: Sequence[Delivered], culprits: list[tuple[Delivered, str]]) -> None:
        """Commit the items together; by bisection if one of them is to blame (rule S8)."""
        for item, error in find_culprits(items, self._commit_together, _blames_a_message):
            _logger.warning("A message fails: %s", _described(error), extra=about_item(item))
            self._commit_alone(item, culprits)

    def _commit_together(self, items: Sequence[Delivered]) -> None:
        try:
            applied = self._apply_together(items)
        except Exception as error:
            if len(items) > 1 and _blames_a_message(error):
                _logger.warning(
                    "A batch of %d fails, looking for the culprit: %s", len(items), _described(error)
                )
            raise
        self._finish(applied)

    def _apply_together(self, items: Sequence[Delivered]) -> Applied:
        """Apply the items, and answers of other shards with them; without them if that fails."""
        answers: Mapping[RequestKey, bool] = {}
        try:
            with self._taken_along(len(items)) as answers:
                return self._apply(items, answers)
        except Exception as error:
            # One of the answers may be to blame, which who has given them finds out.
            if not answers or not _blames_a_message(error):
                raise
            return self._apply(items, {})

    def _apply(self, items: Sequence[Delivered], answers: Mapping[RequestKey, bool]) -> Applied:
        applied: Applied = self._transact(
            lambda context: procedures.apply_batch(self._connection, items, context, answers)
        )
        return applied

    def _commit_alone(self, item: Delivered, culprits: list[tuple[Delivered, str]]) -> None:
        """Try a message alone, up to MAX_DELIVERY_ATTEMPTS times, also if the process dies of it."""
        delivery, why = item.delivery, "the process died of it"
        while True:
            attempt = self._transact(
                lambda context: procedures.record_attempt(self._connection, delivery, context)
            )
            if attempt > self._max_attempts:
                culprits.append((item, why))
                return
            try:
                applied = self._transact(
                    lambda context: procedures.apply_alone(self._connection, item, context)
                )
            except DatabaseAwayError:
                raise
            except Exception as error:
                why = _described(error)
                metrics.RETRIES.labels("isolation").inc()
                # The last one tells where: the mistake may be ours, however often it came before.
                _logger.warning(
                    "Attempt %d of %d fails: %s",
                    attempt,
                    self._max_attempts,
                    why,
                    exc_info=error if attempt == self._max_attempts else None,
                    extra=about_item(item),
                )
                self._is_stopping.wait(0.01)
            else:
                self._finish(applied)
                return

    def _put_aside(self, item: Delivered, why: str) -> None:
        detail = why.encode("ascii", "replace").decode()[:200]
        self._finish(
            self._transact(
                lambda context: procedures.put_aside(self._connection, item.delivery, detail, context)
            )
        )

    def _absolve(self, culprits: Sequence[tuple[Delivered, str]]) -> None:
        for item, _ in culprits:
            self._transact(partial(self._forget_attempts, item.delivery))

    def _forget_attempts(self, delivery: Delivery, context: TransactionContext) -> None:
        procedures.forget_attempts(self._connection, delivery)

    # -- a transaction -------------------------------------------------------------------------

    def _transact(self, action: Callable[[TransactionContext], Any]) -> Any:
        """Run a transaction; again after a conflict (rule S10).

        Raises DatabaseAwayError, or what a message causes.
        """
        conflicts = 0
        while True:
            try:
                return action(self._ready())
            except Exception as error:
                fault = fault_of(error)
                if fault is Fault.OUTAGE:
                    raise DatabaseAwayError(first_line(error)) from error
                if fault is Fault.MESSAGE:
                    raise
                if self._is_stopping.is_set():
                    raise DatabaseAwayError("a conflict that has not ended in time") from error
                conflicts += 1
                is_lock = fault is Fault.LOCK
                metrics.RETRIES.labels("lock" if is_lock else "conflict").inc()
                level = WARNING if is_lock or not conflicts % _MANY_CONFLICTS else DEBUG
                _logger.log(level, "Conflict %d, trying again: %s", conflicts, first_line(error))
                self._is_stopping.wait(random.uniform(0.0, min(0.01 * conflicts, 0.5)))  # noqa: S311

    def _ready(self) -> TransactionContext:
        """The context with a fresh policy, on a connection that is there."""
        if self._connection is None:
            self._connection = eager.connect(self._postgres_url, "swpt_accounts worker")
            self._watch.session = session_number(self._connection)
            self._outbox.sign_in(self._connection)
            self._context = None
        if self._context is None or monotonic() > self._context_until:
            self._context = self._make_context(load_policy(self._connection, self._policy))
            self._context_until = monotonic() + _POLICY_SECONDS
        return self._context

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = self._watch.session = None

    def _finish(self, applied: Applied) -> None:
        finish(applied, self._outbox, received_at=self._received_at)
        if applied.waiting and self._ask is not None:
            self._ask(applied.waiting)


def _blames_a_message(error: Exception) -> bool:
    return not isinstance(error, DatabaseAwayError)


def _is_suspicious(item: Delivered) -> bool:
    return item.delivery.redelivered and item.delivery.delivery_count >= _SUSPICIOUS_DELIVERIES


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
