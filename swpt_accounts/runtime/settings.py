"""The settings of the server: one frozen object, read once from the environment.

Each variable is declared in one place, with its default, its range and its meaning
(rules.md#settings-of-the-server).  `load` names all that is wrong with an environment at once.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swpt_accounts.wire.numbers import MAX_INT64
from swpt_accounts.wire.peers import Peers
from swpt_accounts.wire.routing import Realm

from .combinations import impossible, unsafe
from .errors import OperatorError, mask_secrets
from .peers_file import read_peers, read_peers_path
from .readers import (
    read_address,
    read_amqp_url,
    read_base_url,
    read_binding_key,
    read_postgres_url,
    read_proxy_address,
    read_queue_name,
    read_secret_key,
    read_user_name,
    user_of,
)
from .reference_names import refused_names
from .shown import spelled_out
from .variables import REQUIRED, one_of, ratio, seconds, switch, text, variables, whole


class SettingsError(OperatorError):
    """The environment does not describe a server; one line for each problem."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that an operator can choose; durations in seconds (rules.md#settings-of-the-server)."""

    # Servers and addresses
    postgres_url: str = text(
        REQUIRED,
        "The database: postgresql://user:password@host:port/database.",
        read_postgres_url,
        secret=True,
    )
    protocol_broker_url: str = text(
        "amqp://guest:guest@localhost:5672", "The RabbitMQ server.", read_amqp_url, secret=True
    )
    protocol_broker_queue: str = text("swpt_accounts", "The queue of incoming messages.", read_queue_name)
    protocol_broker_queue_routing_key: str = text(
        "#", "The binding key of the queue, which is also the realm of this shard.", read_binding_key
    )
    webserver_bind: str = text(
        "0.0.0.0",  # noqa: S104 - other machines must reach it; a container has one interface
        "The interface of the web server. It asks for no password: keep it on the internal network.",
        read_address,
    )
    webserver_port: int = whole(8080, "The port of the web server.", floor=1, ceiling=65535)
    webserver_threads: int = whole(
        8,
        "HTTP requests that are answered at the same time, and connections to the database for them.",
        floor=1,
        ceiling=1000,
    )
    admin_bind: str = text(
        "127.0.0.1", "The interface of the admin API, console, metrics and health.", read_address
    )
    admin_port: int = whole(
        8081, "The port of the admin API, console, metrics and health.", floor=1, ceiling=65535
    )
    admin_threads: int = whole(
        4,
        "Requests to the admin listener that are answered at the same time, and connections to the database"
        " for them.",
        floor=1,
        ceiling=1000,
    )
    admin_https: bool = switch(
        False,
        "The admin listener is reached by HTTPS only, through a proxy that ends it: cookies are Secure, and"
        " browsers keep to HTTPS.",
    )
    admin_trusted_proxy: str = text(
        "",
        "The address of the proxy in front of the admin listener, whose X-Forwarded headers are believed;"
        " empty: there is none.",
        read_proxy_address,
    )
    admin_secret_key: str = text(
        "",
        "The key that signs cookies and page tokens of the admin listener; empty: a random one that is kept"
        " in the database.",
        read_secret_key,
        secret=True,
    )
    admin_session_idle: float = seconds(
        1800, "Time without a request after which a session of the console ends.", moving=True
    )
    admin_session_length: float = seconds(
        43200, "Time after which a session of the console ends in any case.", moving=True
    )
    admin_metrics_open: bool = switch(False, "The admin listener shows /metrics without asking for a token.")

    # Delays that the protocol promises to survive
    message_max_delay: float = seconds(
        604800, "The longest outage that is handled uneventfully.", least=86400
    )
    internal_max_delay: float = seconds(1209600, "The longest delay of a message between shards.")
    commit_period: int = whole(
        7776000,
        "The longest time between preparing and finalizing a transfer. It may only grow.",
        least=2592000,
    )
    rate_change_extra_delay: float = seconds(
        86400, "Time between two rate changes of an account, beyond MESSAGE_MAX_DELAY.", least=86400
    )
    purge_extra_delay: float = seconds(
        172800,
        "Time before a deleted account is purged, beyond INTERNAL_MAX_DELAY and COMMIT_PERIOD.",
        least=172800,
    )
    purge_min_age: float = seconds(259200, "The youngest age at which an account is purged.", least=259200)
    credit_safe_age: float = seconds(
        7776000, "The oldest credit from another shard that is still applied.", least=2592000
    )

    # Limits that accounts see
    transfer_note_max_bytes: int = whole(
        500, "The longest transfer note; the same on all shards. It may only grow.", ceiling=500
    )
    max_prepared_transfers: int = whole(2147483647, "Prepared transfers that one account may have.", floor=1)

    # Periodic work
    account_update_delay: float = seconds(
        1, "Time that a change of a balance waits for others before it is announced.", most=3600
    )
    account_update_min_interval: float = seconds(
        60, "The least time between two announcements of the balance of an account.", most=86400
    )
    heartbeat_interval: float = seconds(
        604800, "Silence after which an account is announced again.", moving=True
    )
    reminder_interval: float = seconds(
        604800, "Time after which a prepared transfer is announced again.", most=2592000, moving=True
    )
    accounts_scan_interval: float = seconds(
        28800,
        "Time for one pass over all accounts: heartbeats, interest, rates, deletion, purge.",
        most=172800,
        moving=True,
    )
    reminders_scan_interval: float = seconds(
        86400, "Time for one pass over all prepared transfers.", most=604800, moving=True
    )
    registry_scan_interval: float = seconds(
        604800, "Time for one pass over the registry of credits.", most=2592000, moving=True
    )
    summaries_scan_interval: float = seconds(
        60,
        "Time between two counts of the accounts and the money of each currency, for operators.",
        moving=True,
    )
    settings_propagation_time: float = seconds(7200, "Time for a new rate to reach all accounts.")
    capitalization_min_interval: float = seconds(
        1209600, "The least time between two interest payments to an account.", most=7948800
    )
    capitalization_min_ratio: float = ratio(
        0.0001, "The part of the principal that the interest must reach to be paid.", most=0.10
    )
    deletion_min_age: float = seconds(86400, "The youngest age at which an account is deleted.", least=86400)
    deletion_retry_interval: float = seconds(
        1209600, "The least time between two deletions of an account that was revived in between."
    )
    deletion_dust_amount: int = whole(
        0,
        "Balances up to this amount are forfeited on deletion, whatever the negligible amount is.",
        ceiling=MAX_INT64,
    )

    # Settings of a currency, and the HTTP interface between shards
    settings_max_age: float = seconds(86400, "The oldest settings of a currency that are still applied.")
    root_config_cache_ttl: float = seconds(
        3600, "Time for which settings read from another shard are kept.", most=86400, moving=True
    )
    root_config_cache_size: int = whole(1000, "Currencies whose settings are kept.", floor=1)
    fetch_api_url: str | None = text(
        None,
        "The base URL of the HTTP interface of the other shards; required if there are any.",
        read_base_url,
        secret=True,
    )
    fetch_timeout: float = seconds(
        5, "The complete time of one HTTP call to another shard.", most=60, moving=True
    )
    fetch_retry_max_delay: float = seconds(
        60, "The longest pause between two attempts of an HTTP call.", least=1, moving=True
    )
    fetch_connections: int = whole(
        100, "HTTP calls to other shards at the same time.", floor=1, ceiling=10000
    )
    fetch_api_config_max_age: float = seconds(86400, "Time for which others may keep a `config` answer.")
    fetch_api_reachable_max_age: float = seconds(10, "Time for which others may keep a `reachable` answer.")
    delete_foreign_records: bool = switch(
        False, "Remove what the parent shard left here and this shard does not own; for a split only."
    )

    # Messages
    internal_user: str = text(
        "",
        "The broker user of the server, who alone may send credits between shards; empty: nobody may.",
        read_user_name,
    )
    peers_file: str = text(
        "",
        "A TOML file that says which broker user speaks for which accounts; empty: each for all.",
        read_peers_path,
    )
    protocol_broker_prefetch_count: int = whole(
        1000, "Messages that a worker holds without having acknowledged them.", floor=1, ceiling=65535
    )
    worker_batch_max_messages: int = whole(500, "Messages in one transaction.", floor=1, ceiling=65535)
    worker_batch_max_bytes: int = whole(4194304, "Bytes of messages in one transaction.", floor=65536)
    worker_processes: int = whole(1, "Worker processes that `swpt-accounts all` starts.", floor=1, ceiling=64)
    max_delivery_attempts: int = whole(
        5, "Lone attempts before a failing message becomes a dead letter.", floor=1
    )
    dead_letter_retention: float = seconds(7776000, "Time for which settled dead letters are kept.")
    dead_letter_max_open: int = whole(100000, "Open dead letters that are kept with their body.", floor=1)
    refusal_retention: float = seconds(
        604800, "Time for which refused requests are kept, so that operators can see why."
    )
    refusal_max_rows: int = whole(1000000, "Refused requests that are kept; the oldest go first.", floor=1)
    publish_confirm_timeout: float = seconds(
        30, "Time for the broker to confirm a message before it is sent again.", moving=True
    )
    outbox_retry_min_delay: float = seconds(1, "The first pause before a message is sent again.", moving=True)
    outbox_retry_max_delay: float = seconds(
        300, "The longest pause before a message is sent again.", moving=True
    )

    # The process itself
    metrics_folder: str = text(
        "", "A folder where processes keep their numbers for /metrics; empty: `all` makes one.", str
    )
    log_level: str = text(
        "info",
        "The least important log lines to write: debug, info, warning or error.",
        one_of("debug", "info", "warning", "error"),
    )
    log_format: str = text(
        "text", "The form of log lines: text, or json for one object a line.", one_of("text", "json")
    )
    allow_unsafe_settings: bool = switch(
        False, "Accept values outside the ranges of the protocol; for tests only."
    )

    @property
    def max_config_delay(self) -> float:
        """Seconds after which a ConfigureAccount creates nothing."""
        return self.message_max_delay

    @property
    def account_update_ttl(self) -> int:
        """The `ttl` of AccountUpdate, in whole seconds."""
        return int(self.message_max_delay)

    @property
    def rate_change_min_interval(self) -> float:
        """Seconds between two rate changes of one account (rule R6)."""
        return self.message_max_delay + self.rate_change_extra_delay

    @property
    def unsafe(self) -> tuple[str, ...]:
        """What the protocol does not allow, one line each; not empty only if ALLOW_UNSAFE_SETTINGS is on."""
        return tuple(unsafe(variables(Settings), vars(self)))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should hear at every start, one line each."""
        lines = [f"ALLOW_UNSAFE_SETTINGS is on, never with real money: {line}" for line in self.unsafe]
        if self.transfer_note_max_bytes < 150:
            lines.append(
                f"TRANSFER_NOTE_MAX_BYTES={self.transfer_note_max_bytes}: should be at least 150, "
                "because the notes of some coordinators are longer."
            )
        return tuple(lines)

    def realm(self) -> Realm:
        """The accounts that this shard owns (rules.md#realms)."""
        return Realm.parse(self.protocol_broker_queue_routing_key)

    def peers(self) -> Peers | None:
        """Who may say what, as it stands in the file now; None means everybody everything.

        Raises SettingsError if the file was spoiled since the settings were read.
        """
        if not self.peers_file:
            return None
        try:
            return read_peers(self.peers_file, user_of(self.protocol_broker_url))
        except ValueError as error:
            raise SettingsError([f"PEERS_FILE={_shown(self.peers_file)}: {error}."]) from None


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment (by default, that of the process).

    Raises SettingsError with one line for each variable that is missing, malformed, out of
    range or at odds with another one, or that belongs to the reference server.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    problems: list[str] = list(refused_names(environ))
    for name, variable in variables(Settings).items():
        content = environ.get(name.upper())
        if content is None:
            if variable.default is REQUIRED:
                problems.append(f"{name.upper()} is not set: set it. {variable.meaning}")
            else:
                values[name] = variable.default
            continue
        try:
            values[name] = variable.parse(content)
        except ValueError as error:
            # Only what is well-formed shows which of its parts is the password.
            shown = "***" if variable.is_secret else _shown(content)
            problems.append(f"{name.upper()}={shown}: {error}. {variable.meaning}")
    problems += impossible(values)
    # A missing value means that the switch itself was malformed; then its own line is enough.
    if values.get("allow_unsafe_settings") is False:
        problems += [
            f"{line} On a test bench, set ALLOW_UNSAFE_SETTINGS=yes."
            for line in unsafe(variables(Settings), values)
        ]
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def chosen(*names: str) -> dict[str, str]:
    """Those of the named variables that are set, for a program that decides about all others itself."""
    return {name: os.environ[name] for name in names if name in os.environ}


def forget(prefix: str) -> None:
    """Take variables away from this process, such as those of libpq, which begin with `PG`."""
    for name in [name for name in os.environ if name.startswith(prefix)]:
        del os.environ[name]


def _shown(content: str) -> str:
    """A refused text, without passwords, control characters and endless tails."""
    shown = spelled_out(mask_secrets(content))
    return shown if len(shown) <= 100 else shown[:100] + "…"
