"""Names of settings of the public reference server that mean something else here, or nothing.

Who moves in from there brings an environment along (docs/from-the-reference.md).  A name that nobody reads
would be a promise that is not kept, so each of them is refused with the name to use.  Names that both
servers have, such as POSTGRES_URL, mean the same and are not here.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from .variables import read_number, render

_HOUR: Final = 3600
_DAY: Final = 86400


class _Successor(NamedTuple):
    """What to use instead of a name: another name whose value is so many times the old one, or a sentence."""

    name: str = ""
    factor: int = 0
    """0: the value is not a number, or no number of the same kind."""

    otherwise: str = ""


def _nothing(why: str) -> _Successor:
    return _Successor(otherwise=why)


_NO_CHORES_BROKER: Final = _nothing("the chores need no broker here")
_NO_STAGES: Final = _nothing(
    "a message is processed in one step here; WORKER_PROCESSES says by how many workers"
)
_OUTBOX: Final = _nothing(
    "messages are sent at once here, without a period and without processes of their own"
)
_PACE: Final = _nothing("a chore finds its pace by itself here, from the time that one pass may take")
_LIBRARY: Final = _nothing("this server has no pool that has to be told")
_MESSAGES: Final = (
    "REJECTED_TRANSFERS",
    "PREPARED_TRANSFERS",
    "FINALIZED_TRANSFERS",
    "ACCOUNT_TRANSFERS",
    "ACCOUNT_UPDATES",
    "ACCOUNT_PURGES",
    "REJECTED_CONFIGS",
    "PENDING_BALANCE_CHANGES",
)
_STAGES: Final = ("BALANCE_CHANGES", "TRANSFER_REQUESTS", "FINALIZATION_REQUESTS")
_SCANS: Final = ("ACCOUNTS", "PREPARED_TRANSFERS", "REGISTERED_BALANCE_CHANGES")

SUCCESSORS: Final[Mapping[str, _Successor]] = {
    "APP_LOG_LEVEL": _Successor("LOG_LEVEL"),
    "APP_LOG_FORMAT": _Successor("LOG_FORMAT"),
    "APP_ASSOCIATED_LOGGERS": _nothing("LOG_LEVEL holds for all parts of the program"),
    "APP_LOGGING_CONFIG_FILE": _nothing("LOG_LEVEL and LOG_FORMAT say all about the log"),
    "APP_MESSAGE_MAX_DELAY_DAYS": _Successor("MESSAGE_MAX_DELAY", _DAY),
    "APP_SIGNALBUS_MAX_DELAY_DAYS": _Successor("MESSAGE_MAX_DELAY", _DAY),
    "APP_INTRANET_EXTREME_DELAY_DAYS": _Successor("INTERNAL_MAX_DELAY", _DAY),
    "APP_PREPARED_TRANSFER_MAX_DELAY_DAYS": _Successor("COMMIT_PERIOD", _DAY),
    "APP_PREPARED_TRANSFER_REMAINDER_DAYS": _Successor("REMINDER_INTERVAL", _DAY),
    "APP_ACCOUNT_HEARTBEAT_DAYS": _Successor("HEARTBEAT_INTERVAL", _DAY),
    "APP_MIN_INTEREST_CAPITALIZATION_DAYS": _Successor("CAPITALIZATION_MIN_INTERVAL", _DAY),
    "APP_MAX_INTEREST_TO_PRINCIPAL_RATIO": _Successor("CAPITALIZATION_MIN_RATIO", 1),
    "APP_DELETION_ATTEMPTS_MIN_DAYS": _Successor("DELETION_RETRY_INTERVAL", _DAY),
    "APP_ACCOUNTS_SCAN_HOURS": _Successor("ACCOUNTS_SCAN_INTERVAL", _HOUR),
    "APP_PREPARED_TRANSFERS_SCAN_DAYS": _Successor("REMINDERS_SCAN_INTERVAL", _DAY),
    "APP_REGISTERED_BALANCE_CHANGES_SCAN_DAYS": _Successor("REGISTRY_SCAN_INTERVAL", _DAY),
    "APP_FETCH_API_URL": _Successor("FETCH_API_URL"),
    "APP_FETCH_API_TIMEOUT_SECONDS": _Successor("FETCH_TIMEOUT", 1),
    "APP_FETCH_CONNECTIONS": _Successor("FETCH_CONNECTIONS", 1),
    "APP_FETCH_DATA_CACHE_SIZE": _Successor("ROOT_CONFIG_CACHE_SIZE", 1),
    "APP_FETCH_DNS_CACHE_SECONDS": _nothing("names of hosts are not kept here"),
    "APP_USE_PGPLSQL_FUNCTIONS": _nothing("there is one implementation here"),
    "APP_VERIFY_SHARD_YIELD_PER": _PACE,
    "APP_VERIFY_SHARD_SLEEP_SECONDS": _PACE,
    "DELETE_PARENT_SHARD_RECORDS": _Successor("DELETE_FOREIGN_RECORDS"),
    "REMOVE_FROM_ARCHIVE_THRESHOLD_DATE": _nothing(
        "no date has to be moved here: CREDIT_SAFE_AGE, in seconds, says how old a credit may be"
    ),
    "APP_REGISTERED_BALANCE_CHANGES_RETENTION_DATETIME": _nothing(
        "no date has to be moved here: CREDIT_SAFE_AGE, in seconds, says how old a credit may be"
    ),
    "SQLALCHEMY_DATABASE_URI": _Successor("POSTGRES_URL"),
    "SQLALCHEMY_ENGINE_OPTIONS": _LIBRARY,
    "SQLALCHEMY_POOL_SIZE": _LIBRARY,
    "SQLALCHEMY_POOL_TIMEOUT": _LIBRARY,
    "SQLALCHEMY_POOL_RECYCLE": _LIBRARY,
    "SQLALCHEMY_MAX_OVERFLOW": _LIBRARY,
    "PROTOCOL_BROKER_PROCESSES": _Successor("WORKER_PROCESSES", 1),
    "PROTOCOL_BROKER_THREADS": _nothing(
        "a worker has no threads to share its messages: use WORKER_PROCESSES"
    ),
    "PROTOCOL_BROKER_PREFETCH_SIZE": _nothing(
        "messages are counted: use PROTOCOL_BROKER_PREFETCH_COUNT and WORKER_BATCH_MAX_BYTES"
    ),
    "CHORES_BROKER_CLASS": _NO_CHORES_BROKER,
    "CHORES_BROKER_URL": _NO_CHORES_BROKER,
    "CHORES_BROKER_QUEUE": _NO_CHORES_BROKER,
    "CHORES_BROKER_PROCESSES": _NO_CHORES_BROKER,
    "CHORES_BROKER_THREADS": _NO_CHORES_BROKER,
    "CHORES_BROKER_PREFETCH_SIZE": _NO_CHORES_BROKER,
    "CHORES_BROKER_PREFETCH_COUNT": _NO_CHORES_BROKER,
    "CHORES_PROCESSES": _NO_CHORES_BROKER,
    "CHORES_THREADS": _NO_CHORES_BROKER,
    "WEBSERVER_PROCESSES": _nothing("one process answers: use WEBSERVER_THREADS"),
    "SETUP_RABBITMQ_BINDINGS": _nothing("`swpt-accounts configure` always declares what is missing"),
    "FLUSH_PROCESSES": _OUTBOX,
    "FLUSH_PERIOD": _OUTBOX,
    "FLUSH_ALL_WAIT": _OUTBOX,
    **{f"FLUSH_{kind}_WAIT": _OUTBOX for kind in _MESSAGES},
    **{f"APP_FLUSH_{kind}_BURST_COUNT": _OUTBOX for kind in _MESSAGES},
    **{f"PROCESS_{stage}_THREADS": _NO_STAGES for stage in _STAGES},
    **{
        f"APP_PROCESS_{stage}_{what}": _NO_STAGES
        for stage in _STAGES
        for what in ("THREADS", "WAIT", "MAX_COUNT")
    },
    "APP_PROCESS_TRANSFERS_THREADS": _NO_STAGES,
    **{f"APP_{scan}_SCAN_BLOCKS_PER_QUERY": _PACE for scan in _SCANS},
    **{f"APP_{scan}_SCAN_BEAT_MILLISECS": _PACE for scan in _SCANS},
}
"""By name: what to use instead."""


def refused_names(environ: Mapping[str, str]) -> Iterator[str]:
    """One line for each name in the environment that belongs to the reference server."""
    for name in sorted(SUCCESSORS.keys() & environ.keys()):
        yield f"{name} is a setting of the reference server: {_advice(SUCCESSORS[name], environ[name])}."


def _advice(successor: _Successor, content: str) -> str:
    """What to do.  Only numbers are repeated: other texts may have a password in them."""
    if not successor.name:
        return f"remove it, {successor.otherwise}"
    if not successor.factor:
        return f"use {successor.name} instead"
    try:
        value = render(round(read_number(content) * successor.factor, 6))
    except ValueError:
        unit = ", in seconds" if successor.factor > 1 else ""
        return f"use {successor.name}{unit}, instead" if unit else f"use {successor.name} instead"
    return f"use {successor.name}={value} instead"
