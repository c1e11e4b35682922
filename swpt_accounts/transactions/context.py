"""What transactions of a process work with, made from its settings."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import psycopg2

from swpt_accounts.rules.policy import Periods, Policy
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.wire.moments import Moment, seconds

from .account_memory import AccountMemory
from .debtor_infos import DebtorInfos
from .reachable_memory import ReachableMemory

_LOAD_SERVER_RECORD: Final = (
    "SELECT transfer_note_max_bytes, commit_period, settings_version,"
    " EXISTS (SELECT FROM shard_record WHERE split_closed_at IS NOT NULL) FROM server_record"
)


# A process that has got an answer has to store it, maybe after a pause of the database.
_MORE_SECONDS: Final = 10.0


class TransactionContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a process works with: the rules in force, its memory, and the names it signs with."""

    policy: Policy
    infos: DebtorInfos
    publisher_key: int
    queue: str
    dead_letter_max_open: int
    clock: Callable[[], Moment]
    memory: AccountMemory = msgspec.field(default_factory=AccountMemory)
    reachable_memory: ReachableMemory = msgspec.field(default_factory=ReachableMemory)


def load_policy(connection: Any, policy: Policy) -> Policy:
    """The policy with the values that this database has promised (rules.md#promises-of-the-server).

    Raises psycopg2.OperationalError if it was split: for who comes back now it is away, and stays so.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(_LOAD_SERVER_RECORD)
        transfer_note_max_bytes, commit_period, version, is_closed = cursor.fetchone()
    if is_closed:
        raise psycopg2.OperationalError("this database was split, and its children go on")
    return msgspec.structs.replace(
        policy,
        transfer_note_max_bytes=transfer_note_max_bytes,
        commit_period_seconds=commit_period,
        settings_version=version,
    )


def make_policy(settings: Settings) -> Policy:
    """The part of the settings that decides, in the units of the pure core."""
    return Policy(
        realm=settings.realm(),
        max_config_delay=seconds(settings.max_config_delay),
        rate_change_min_interval=seconds(settings.rate_change_min_interval),
        settings_max_age=seconds(settings.settings_max_age),
        commit_period_seconds=settings.commit_period,
        transfer_note_max_bytes=settings.transfer_note_max_bytes,
        max_prepared_transfers=settings.max_prepared_transfers,
        account_update_ttl_seconds=settings.account_update_ttl,
        account_update_delay=seconds(settings.account_update_delay),
        account_update_min_interval=seconds(settings.account_update_min_interval),
        credit_safe_age=seconds(settings.credit_safe_age),
        asking_time=asking_time(settings),
    )


def asking_time(settings: Settings) -> int:
    """For how long a question is in the hand of one process, in microseconds: longer than a call takes."""
    return seconds(2 * settings.fetch_timeout + _MORE_SECONDS)


def make_periods(settings: Settings, policy: Policy) -> Periods:
    """The part of the settings that the periodic work decides by, in the units of the pure core.

    `policy` knows the commit period that the database has promised, which may be longer than the one set.
    """
    return Periods(
        heartbeat_interval=seconds(settings.heartbeat_interval),
        reminder_interval=seconds(settings.reminder_interval),
        capitalization_min_interval=seconds(settings.capitalization_min_interval),
        capitalization_min_ratio=settings.capitalization_min_ratio,
        deletion_min_age=seconds(settings.deletion_min_age),
        deletion_quiet_time=seconds(settings.max_config_delay),
        deletion_retry_interval=seconds(settings.deletion_retry_interval),
        deletion_dust_amount=settings.deletion_dust_amount,
        purge_delay=seconds(
            settings.internal_max_delay + policy.commit_period_seconds + settings.purge_extra_delay
        ),
        purge_min_age=seconds(settings.purge_min_age),
    )


def make_context(
    settings: Settings,
    policy: Policy,
    publisher_key: int,
    *,
    infos: DebtorInfos,
    memory: AccountMemory,
    reachable_memory: ReachableMemory | None = None,
    now: Callable[[], Moment] = clock.utcnow,
) -> TransactionContext:
    """What transactions of this process work with.

    `publisher_key` is that of the process's outbox; no process has 0, which leaves the events to the relay.
    """
    return TransactionContext(
        policy=policy,
        infos=infos,
        memory=memory,
        reachable_memory=ReachableMemory() if reachable_memory is None else reachable_memory,
        publisher_key=publisher_key,
        queue=settings.protocol_broker_queue,
        dead_letter_max_open=settings.dead_letter_max_open,
        clock=now,
    )
