"""Whether a link to the broker works: one log line for each change, and pauses between attempts."""

from logging import Logger
from time import monotonic

from swpt_accounts.runtime.pauses import Pauses
from swpt_accounts.runtime.standstill import Standstill

from .errors import BrokerProblem

FIRST_PAUSE_SECONDS = 0.25
# The rules allow ten; but the first answer shall come 15 s after an outage at the
# latest, and an attempt itself can take CONNECT_TIMEOUT_SECONDS.
LONGEST_PAUSE_SECONDS = 5.0


class Outage:
    """Whether a link to the broker works, logged when that changes, and as an alarm if it lasts.

    A link that breaks soon after it was made does not make the pauses short again.
    """

    def __init__(self, logger: Logger, what: str, standstill: Standstill) -> None:
        self._logger = logger
        self._what = what
        self._pauses = Pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._logged = ""
        self._worked_since: float | None = None
        self._standstill = standstill

    def began(self, problem: BrokerProblem) -> float:
        """Note a failure; returns how many seconds to pause.  The same reason is logged once."""
        if self._worked_since is not None and monotonic() - self._worked_since > LONGEST_PAUSE_SECONDS:
            self._pauses.reset()
        self._worked_since = None
        text = str(problem)
        self._standstill.begin(text)
        self._standstill.look()
        if text != self._logged:
            self._logged = text
            self._logger.warning("%s: %s; trying again until it works.", self._what, text)
        return self._pauses.draw()

    def ended(self) -> None:
        """Note that it works."""
        self._worked_since = monotonic()
        self._standstill.end()
        self._logger.info("%s: connected%s.", self._what, " again" if self._logged else "")
        self._logged = ""
