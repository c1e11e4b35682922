"""The server's settings that take part in decisions, as the pure rules see them.

Durations are whole microseconds, like moments (rules.md#settings-of-the-server).
"""

import msgspec

from swpt_accounts.wire.moments import seconds
from swpt_accounts.wire.numbers import MAX_INT32
from swpt_accounts.wire.routing import Realm

_DAY = seconds(86400)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One value for a whole batch; `settings_version` counts the promises of the server record."""

    realm: Realm = Realm(0, 0)
    max_config_delay: int = 7 * _DAY
    rate_change_min_interval: int = 8 * _DAY
    settings_max_age: int = _DAY
    commit_period_seconds: int = 7776000
    transfer_note_max_bytes: int = 500
    settings_version: int = 1
    max_prepared_transfers: int = MAX_INT32
    account_update_ttl_seconds: int = 604800
    account_update_delay: int = seconds(1)
    account_update_min_interval: int = seconds(60)
    credit_safe_age: int = 90 * _DAY
    asking_time: int = seconds(20)
    """How long who has stored a waiting request has it in hand; then it is for anybody."""


class Periods(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the periodic work; durations in whole microseconds.

    See rules.md#settings-of-the-server.
    """

    heartbeat_interval: int
    reminder_interval: int
    capitalization_min_interval: int
    capitalization_min_ratio: float
    deletion_min_age: int
    deletion_quiet_time: int
    deletion_retry_interval: int
    deletion_dust_amount: int
    purge_delay: int
    purge_min_age: int
