"""What the broker says about itself, asked once in some seconds however many machines want to know."""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

from swpt_accounts.broker.errors import BrokerProblem, QueueMissing
from swpt_accounts.broker.state import BrokerState
from swpt_accounts.broker.topology import DEAD_SUFFIX

KEPT_SECONDS: Final = 5.0


class BrokerWatch:
    """Asks the broker by `count_messages` of a queue; from any thread."""

    def __init__(self, count_messages: Callable[[str], int], queue: str) -> None:
        self._count_messages = count_messages
        self._queue = queue
        self._lock = Lock()
        self._until = 0.0
        self._found: BrokerState | BrokerProblem = BrokerProblem("not asked yet")

    def state(self) -> BrokerState:
        """What it said last.  Raises QueueMissing or another BrokerProblem, as it did then."""
        with self._lock:
            if monotonic() >= self._until:
                self._found = self._ask()
                self._until = monotonic() + KEPT_SECONDS
            if isinstance(self._found, BrokerProblem):
                raise self._found
            return self._found

    def given_up(self) -> int | None:
        """How many messages the broker has given up; None if nobody knows."""
        try:
            return self.state().given_up
        except BrokerProblem:
            return None

    def _ask(self) -> BrokerState | BrokerProblem:
        try:
            return BrokerState(self._count_messages(self._queue), self._dead())
        except BrokerProblem as problem:
            return problem

    def _dead(self) -> int | None:
        try:
            return self._count_messages(self._queue + DEAD_SUFFIX)
        except QueueMissing:
            return None
