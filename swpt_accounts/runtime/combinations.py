"""Settings together: which values break a promise of the protocol, and which contradict each other."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .peers_file import read_peers
from .readers import user_of
from .shown import spelled_out
from .variables import Variable, render


def unsafe(known: Mapping[str, Variable], values: Mapping[str, Any]) -> Iterator[str]:
    """A line for each value that breaks a promise of the protocol; missing ones are passed over."""
    for name, variable in known.items():
        if name in values and (rule := variable.unsafe(values[name])):
            yield f"{name.upper()}={render(values[name])}: {rule}. {variable.meaning}"
    for name, times, other in _AT_LEAST:
        if name in values and other in values and values[name] < times * values[other]:
            factor = "" if times == 1 else f"{times} times "
            yield (
                f"{name.upper()}={render(values[name])}: must be at least {factor}{other.upper()}, which is "
                f"{render(values[other])}. Set {name.upper()} to {render(times * values[other])} or more, "
                f"or lower {other.upper()}."
            )
    if "heartbeat_interval" in values and "accounts_scan_interval" in values:
        most = _LONGEST_SILENCE - values["accounts_scan_interval"]
        if values["heartbeat_interval"] > most:
            yield (
                f"HEARTBEAT_INTERVAL={render(values['heartbeat_interval'])}: must be at most "
                f"{_LONGEST_SILENCE} minus ACCOUNTS_SCAN_INTERVAL, which makes {render(most)}. "
                "Lower one of the two."
            )


_LONGEST_SILENCE: Final = 1209600
_AT_LEAST: Final = (
    ("internal_max_delay", 1, "message_max_delay"),
    ("commit_period", 1, "message_max_delay"),
    ("commit_period", 1, "internal_max_delay"),
    ("credit_safe_age", 2, "internal_max_delay"),
    ("settings_max_age", 1, "root_config_cache_ttl"),
)


def impossible(values: Mapping[str, Any]) -> Iterator[str]:
    """A line for each combination that cannot work anywhere; missing values are passed over."""
    yield from _missing_for_shards(values)
    user, url = values.get("internal_user", ""), values.get("protocol_broker_url")
    if user and url is not None and user != (own := user_of(url)):
        yield (
            f"INTERNAL_USER={user}: must be the user of PROTOCOL_BROKER_URL, which is {own}, because the "
            "broker lets nobody send under another name. Change one of the two."
        )
    yield from _server_among_peers(values)
    retry = values.get("outbox_retry_min_delay"), values.get("outbox_retry_max_delay")
    if None not in retry and retry[0] > retry[1]:  # type: ignore[operator]
        yield (
            f"OUTBOX_RETRY_MAX_DELAY={render(retry[1])}: must be at least OUTBOX_RETRY_MIN_DELAY, "
            f"which is {render(retry[0])}. Raise the one or lower the other."
        )
    if _listeners_collide(values):
        yield (
            f"ADMIN_PORT={values['admin_port']}: must differ from WEBSERVER_PORT, because the admin API has "
            "a listener of its own. Change one of the two."
        )


def _server_among_peers(values: Mapping[str, Any]) -> Iterator[str]:
    path, url = values.get("peers_file", ""), values.get("protocol_broker_url")
    if not path or url is None:
        return
    try:
        read_peers(path, user_of(url))
    except ValueError as error:
        # By itself the file can be used, or its own line would say why not.
        yield f"PEERS_FILE={spelled_out(path)}: {error}."


def _missing_for_shards(values: Mapping[str, Any]) -> Iterator[str]:
    key = values.get("protocol_broker_queue_routing_key", "#")
    means = (
        f"is not set, but PROTOCOL_BROKER_QUEUE_ROUTING_KEY={key} means that there are other shards: set it"
    )
    if key != "#" and values.get("fetch_api_url", "") is None:
        yield f"FETCH_API_URL {means} to the base URL of their HTTP interface, or set the routing key to #."
    if key != "#" and values.get("internal_user") == "":
        yield f"INTERNAL_USER {means} to the broker user of the server, or set the routing key to #."


def _listeners_collide(values: Mapping[str, Any]) -> bool:
    binds = {values.get("webserver_bind"), values.get("admin_bind")}
    ports = {values.get("webserver_port", 0), values.get("admin_port", 1)}
    return len(ports) == 1 and (len(binds) == 1 or bool(binds & _ALL_INTERFACES))


_ALL_INTERFACES: Final = {"0.0.0.0", "::"}  # noqa: S104 - compared with, not bound to
