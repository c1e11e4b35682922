"""What broker and database say about themselves, asked once in some seconds for all who want to know."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final

from swpt_accounts.broker.errors import BrokerProblem, QueueMissing
from swpt_accounts.broker.state import BrokerState
from swpt_accounts.broker.topology import DEAD_SUFFIX
from swpt_accounts.runtime import metering
from swpt_accounts.runtime.errors import first_line
from swpt_accounts.storage.trial import why_not

KEPT_SECONDS: Final = 5.0


def count_both(count_messages: Callable[[str], int], queue: str) -> BrokerState:
    """The state of a broker that takes messages always, like the one in this process."""
    waiting = count_messages(queue)
    try:
        return BrokerState(waiting, count_messages(queue + DEAD_SUFFIX))
    except QueueMissing:
        return BrokerState(waiting, None)


class DatabaseWatch:
    """Tries whether the database does what a batch needs, and whether batches get on; from any thread."""

    def __init__(self, postgres_url: str, metrics_folder: str) -> None:
        self._postgres_url = postgres_url
        self._metrics_folder = metrics_folder
        self._lock = Lock()
        self._until = 0.0
        self._found = ""

    def why_not(self) -> str:
        """Why no message could be answered, as of the last attempt; empty text if one could."""
        with self._lock:
            if monotonic() >= self._until:
                self._found = why_not(self._postgres_url, "swpt_accounts probe") or self._standstill()
                self._until = monotonic() + KEPT_SECONDS
            return self._found

    def _standstill(self) -> str:
        """What processes that share our folder know: one that waits for a lock knows more than we do."""
        if not self._metrics_folder:
            return ""
        seconds = metering.longest_standstill(Path(self._metrics_folder))
        return f"a process has not got on for {seconds:.0f} s: see its log" if seconds else ""


class BrokerWatch:
    """Asks the broker; from any thread."""

    def __init__(self, ask: Callable[[], BrokerState]) -> None:
        self._ask_broker = ask
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

    def why_not(self) -> str:
        """Why it cannot take our messages; empty text if it can."""
        try:
            return self.state().refusal
        except BrokerProblem as problem:
            return first_line(problem)

    def given_up(self) -> int | None:
        """How many messages the broker has given up; None if nobody knows."""
        try:
            return self.state().given_up
        except BrokerProblem:
            return None

    def _ask(self) -> BrokerState | BrokerProblem:
        try:
            return self._ask_broker()
        except BrokerProblem as problem:
            return problem
