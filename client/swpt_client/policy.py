"""What is ours, and how patient we are: chosen once by the application, the same for all records."""

from enum import StrEnum
from typing import Final

import msgspec

from .limits import AGENT, DIRECT, ISSUING, ROOT_CREDITOR_ID, share_subnet
from .moments import DAY, HOUR, MINUTE, SECOND, YEAR

OF_CREDITORS: Final = frozenset({DIRECT, AGENT})
"""Coordinator types whose coordinators have ids of creditors."""


class UnknownAccounts(StrEnum):
    """What to do when the server keeps an account for us of which we know nothing."""

    REPORT = "report"
    """Tell the application, and send nothing."""
    ADOPT = "adopt"
    """Make a record, with the configuration that the server shows."""
    CLOSE = "close"
    """Schedule it for deletion, whatever is on it."""


class Timers(msgspec.Struct, frozen=True, kw_only=True):
    """Durations, all in microseconds (see `moments`)."""

    prepare_pauses: tuple[int, ...] = (10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY)
    """Before an unanswered PrepareTransfer is repeated; the last one goes on for ever."""
    finalize_pauses: tuple[int, ...] = (MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY)
    configure_pauses: tuple[int, ...] = (MINUTE, 2 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY)
    identical_for: int = 5 * MINUTE
    """A repeated ConfigureAccount is identical while its `ts` is not older than this."""
    worry_after: int = DAY
    """An answer is missing for so long: news."""
    outcome_unknown_after: int = YEAR
    keep_finished: int = 400 * DAY
    keep_cancelled: int = 30 * DAY
    keep_closed: int = 400 * DAY
    renew_pause: int = MINUTE
    """Between two new order keys of one account, when the server shows an older configuration."""
    contend_pause: int = HOUR
    """The same, when somebody else configures the account."""
    silence: int = 30 * DAY
    """Without a heartbeat of an account."""
    gap: int = 14 * DAY
    """How long a ledger waits for a missing transfer."""
    behind: int = MINUTE
    """How long a ledger may be behind what the server has told, until it is news."""
    distrust: int = MINUTE
    """The same, until its account takes no new transfers."""
    repair_pauses: tuple[int, ...] = (MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY)
    commit_margin: int = 10 * MINUTE
    """A bundle is committed only if all deadlines are at least so far away."""
    jitter: float = 0.25
    """Pauses are longer by a random part of at most this."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is ours, and what we do by ourselves."""

    subnet: int | None = None
    """A creditor id: all creditors that share its upper 24 bits are ours.  None: no creditors."""
    debtor_ids: frozenset[int] = frozenset()
    """Currencies that we issue: their root accounts are ours."""
    other_types: frozenset[str] = frozenset()
    """Coordinator types, besides `direct`, `agent` and `issuing`, of which we are the one coordinator."""
    unknown_accounts: UnknownAccounts = UnknownAccounts.REPORT
    timers: Timers = Timers()

    def owns_account(self, debtor_id: int, creditor_id: int) -> bool:
        """Whether the account is ours."""
        if creditor_id == ROOT_CREDITOR_ID:
            return debtor_id in self.debtor_ids
        return self.subnet is not None and share_subnet(creditor_id, self.subnet)

    def owns_coordinator(self, coordinator_type: str, coordinator_id: int) -> bool:
        """Whether the coordinator is ours, so that answers to it are ours to judge."""
        if coordinator_type in OF_CREDITORS:
            return self.subnet is not None and share_subnet(coordinator_id, self.subnet)
        if coordinator_type == ISSUING:
            return coordinator_id in self.debtor_ids
        return coordinator_type in self.other_types
