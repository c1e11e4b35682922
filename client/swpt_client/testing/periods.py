"""How often a server does its periodic work, unless a test wants otherwise: the defaults of its settings."""

from typing import Final

from swpt_accounts.rules.policy import Periods
from swpt_client.moments import DAY

PERIODS: Final = Periods(
    heartbeat_interval=7 * DAY,
    reminder_interval=7 * DAY,
    capitalization_min_interval=14 * DAY,
    capitalization_min_ratio=0.0001,
    deletion_min_age=DAY,
    deletion_quiet_time=7 * DAY,
    deletion_retry_interval=14 * DAY,
    deletion_dust_amount=0,
    purge_delay=(14 + 90 + 2) * DAY,
    purge_min_age=3 * DAY,
)
