"""Pauses between attempts, and one log line for each change of state."""

import random
from logging import Logger
from time import monotonic

from .errors import BrokerProblem

FIRST_PAUSE_SECONDS = 0.25
# The rules allow ten; but the first answer shall come 15 s after an outage at the
# latest, and an attempt itself can take CONNECT_TIMEOUT_SECONDS.
LONGEST_PAUSE_SECONDS = 5.0


class Pauses:
    """Pauses that double up to LONGEST_PAUSE_SECONDS, each shortened at random.

    So the processes that one outage has hit do not all come back at once.
    """

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_SECONDS

    def draw(self) -> float:
        """The next pause in seconds."""
        pause = self._next
        self._next = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret

    def reset(self) -> None:
        """Start again with a short pause."""
        self._next = FIRST_PAUSE_SECONDS


class Outage:
    """Whether a link to the broker works, told to the log when that changes.

    A link that breaks soon after it was made does not make the pauses short again.
    """

    def __init__(self, logger: Logger, what: str) -> None:
        self._logger = logger
        self._what = what
        self._pauses = Pauses()
        self._told = ""
        self._worked_since: float | None = None

    def began(self, problem: BrokerProblem) -> float:
        """Note a failure; returns how many seconds to pause.  The same reason is told once."""
        if self._worked_since is not None and monotonic() - self._worked_since > LONGEST_PAUSE_SECONDS:
            self._pauses.reset()
        self._worked_since = None
        text = str(problem)
        if text != self._told:
            self._told = text
            self._logger.warning("%s: %s; trying again until it works.", self._what, text)
        return self._pauses.draw()

    def ended(self) -> None:
        """Note that it works."""
        self._worked_since = monotonic()
        self._logger.info("%s: connected%s.", self._what, " again" if self._told else "")
        self._told = ""
