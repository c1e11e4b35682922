"""What other shards have answered, until a transaction decides it: that of a batch, or one of its own.

A worker with much to do takes answers along in its batches: they cost no transaction then, and the accounts
of their senders are locked, read and written once.  Who has nothing else to do decides them at once.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from threading import Condition
from time import monotonic
from typing import Final

from swpt_accounts.rules.facts import RequestKey

MOST_TOGETHER: Final = 500
"""So many answers go into one transaction."""

_SEVERAL_MESSAGES: Final = 8
# After a batch of several messages the next one comes soon (decision 15); nobody relies on it for longer.
_NEXT_SECONDS: Final = 0.03
_LONGEST_BATCH_SECONDS: Final = 0.25


class Answers:
    """Answers by request; `changed` is told of each that comes, and any thread may take them."""

    def __init__(self, changed: Condition, clock: Callable[[], float] = monotonic) -> None:
        self._changed = changed
        self._clock = clock
        self._open: deque[tuple[RequestKey, bool]] = deque()
        self._alone: deque[tuple[RequestKey, bool]] = deque()
        self._batch_until = 0.0

    def put(self, answers: Iterable[tuple[RequestKey, bool]]) -> None:
        """Keep answers that have come."""
        with self._changed:
            self._open.extend(answers)
            self._changed.notify_all()

    def put_back(self, answers: Mapping[RequestKey, bool]) -> None:
        """Keep answers with which a batch has failed: no batch gets them again."""
        if answers:
            with self._changed:
                self._alone.extend(answers.items())
                self._changed.notify_all()

    def clear(self) -> None:
        """Forget all of them."""
        with self._changed:
            self._open.clear()
            self._alone.clear()

    # -- batches -------------------------------------------------------------------------------

    def take_along(self, messages: int) -> dict[RequestKey, bool]:
        """The answers for a batch of so many messages, which begins now."""
        with self._changed:
            is_one_of_many = messages >= _SEVERAL_MESSAGES
            self._batch_until = self._clock() + _LONGEST_BATCH_SECONDS if is_one_of_many else 0.0
            return _take(self._open)

    def end_batch(self) -> None:
        """The batch has ended; if it had several messages, the next one is expected."""
        with self._changed:
            if self._batch_until:
                self._batch_until = self._clock() + _NEXT_SECONDS
                if self._open:
                    self._changed.notify_all()

    # -- transactions of their own -------------------------------------------------------------

    def take(self) -> dict[RequestKey, bool]:
        """The next answers that no batch is expected to take along."""
        with self._changed:
            return _take(self._alone) or (_take(self._open) if self.seconds_to_wait() == 0.0 else {})

    def take_all(self) -> dict[RequestKey, bool]:
        """The next answers, whoever is expected to take them."""
        with self._changed:
            return _take(self._alone) or _take(self._open)

    def seconds_to_wait(self) -> float | None:
        """How long from now there is nothing to `take`; None: as long as nothing comes."""
        if self._alone:
            return 0.0
        return max(0.0, self._batch_until - self._clock()) if self._open else None


def _take(queue: deque[tuple[RequestKey, bool]]) -> dict[RequestKey, bool]:
    return dict(queue.popleft() for _ in range(min(MOST_TOGETHER, len(queue))))
