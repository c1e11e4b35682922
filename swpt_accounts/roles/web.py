"""The web server process: waitress around the two applications, with a clean stop.

The HTTP interface between shards and the admin listener have a port, an application, threads and
a limit of connections each; what one serves is unknown to the other, and neither can crowd it out.
"""

import errno
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import psycopg2
import waitress
from waitress import wasyncore

from swpt_accounts.operators.admin.app import create_admin_app
from swpt_accounts.operators.admin.unreadable import explain_unreadable
from swpt_accounts.runtime.errors import OperatorError, first_line, mask_secrets
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.shards.api import MAX_BODY_BYTES
from swpt_accounts.shards.app import create_app
from swpt_accounts.storage import migrations

from .patience import Door, Patience
from .stopping import stop_on_signals

STOP_TIMEOUT_SECONDS: Final = 5.0

# Together less than the 1,024 open files that many systems grant to a process.
_MOST_SHARD_CONNECTIONS: Final = 800
_MOST_ADMIN_CONNECTIONS: Final = 100
# Above that the listener itself takes no more: only if nobody is silent, and so nobody can be sent away.
_MORE_CONNECTIONS: Final = 10
_BACKLOG: Final = 1024
_MOST_ADMIN_BYTES: Final = 1_048_576
_MOST_AHEAD_BYTES: Final = 4_194_304
# How long a signal can go unnoticed; the price is two wake-ups per second.
_LOOK_AROUND_SECONDS: Final = 0.5

_logger: Final = logging.getLogger(__name__)


class Listeners(NamedTuple):
    """Sockets that listen on the two ports."""

    shards: list[socket.socket]
    admin: list[socket.socket]

    def close(self) -> None:
        """Give the ports back."""
        for listener in (*self.shards, *self.admin):
            listener.close()


def run(settings: Settings) -> int:
    """Serve both ports until SIGTERM or SIGINT; then finish the requests that run.

    Raises OperatorError if a port cannot be had, or the database is of no use.
    """
    stop = stop_on_signals()
    listeners = listen(settings)
    try:
        refuse_wrong_database(settings)
    except OperatorError:
        listeners.close()
        raise
    serve(settings, listeners, stop.is_set)
    return 0


def refuse_wrong_database(settings: Settings) -> None:
    """Raises OperatorError if the database can not be worked with, and waiting does not help.

    A database that is away, or that nobody has configured yet, is only told: it is `/readyz` that says when
    we can answer, and until then the console shows what is missing.
    """
    try:
        found = migrations.found_versions(settings.postgres_url)
    except psycopg2.OperationalError as error:
        _logger.warning("Not ready yet: no answer from the database: %s", mask_secrets(first_line(error)))
        return
    wrong = migrations.misfit(found)
    if wrong is not None and not migrations.is_behind(found):
        raise OperatorError(f"the database {wrong}")
    if wrong is not None:
        _logger.warning("Not ready yet: the database %s", wrong)


def serve(
    settings: Settings,
    listeners: Listeners,
    is_stop_wanted: Callable[[], bool],
    count_messages: Callable[[str], int] | None = None,
    patience: Patience = Patience(),  # noqa: B008 - it cannot be changed
) -> None:
    """Serve both ports at sockets from `listen`, until a stop is wanted.

    `count_messages` asks the broker how many messages wait in a queue, if that is not RabbitMQ.
    """
    # A limit counts the sockets of its map: with one map for both, a flood at one port would lock the other.
    shard_sockets: dict[int, Any] = {}
    admin_sockets: dict[int, Any] = {}
    servers = (
        _shards_server(settings, listeners.shards, shard_sockets),
        _admin_server(settings, listeners.admin, admin_sockets, count_messages),
    )
    doors = (
        Door("web", shard_sockets, _MOST_SHARD_CONNECTIONS, patience),
        Door("admin", admin_sockets, _MOST_ADMIN_CONNECTIONS, patience),
    )
    explain_unreadable(admin_sockets, is_https=settings.admin_https)
    _logger.info("Serving HTTP for other services at %s.", _addresses(listeners.shards))
    _logger.info(
        "Serving the admin API, /metrics and the console at %s.", _addresses(listeners.admin, "/admin/")
    )
    while not is_stop_wanted():
        _turn(shard_sockets | admin_sockets, _LOOK_AROUND_SECONDS)
        for door in doors:
            door.look()
    _logger.info("Stopping: finishing the requests that run, taking no more.")
    _drain(shard_sockets, admin_sockets)
    for server in servers:
        server.task_dispatcher.shutdown(timeout=1)
    for sockets in (shard_sockets, admin_sockets):
        wasyncore.close_all(sockets)


def _shards_server(settings: Settings, sockets: list[socket.socket], socket_map: dict[int, Any]) -> Any:
    return waitress.create_server(
        create_app(settings),
        sockets=sockets,
        threads=settings.webserver_threads,
        # It refuses bodies of just this size; the application does it to the byte.
        max_request_body_size=MAX_BODY_BYTES + 1,
        ident="swpt_accounts",
        map=socket_map,
        connection_limit=_MOST_SHARD_CONNECTIONS + _MORE_CONNECTIONS,
        asyncore_use_poll=True,
    )


def _admin_server(
    settings: Settings,
    sockets: list[socket.socket],
    socket_map: dict[int, Any],
    count_messages: Callable[[str], int] | None,
) -> Any:
    return waitress.create_server(
        create_admin_app(settings, count_messages=count_messages),
        sockets=sockets,
        threads=settings.admin_threads,
        # The application itself refuses smaller ones already, in its own words.
        max_request_body_size=_MOST_ADMIN_BYTES,
        ident=None,
        map=socket_map,
        connection_limit=_MOST_ADMIN_CONNECTIONS + _MORE_CONNECTIONS,
        asyncore_use_poll=True,
        # An export waits for who takes it; nothing is written to the disk for that, which may be read-only.
        outbuf_high_watermark=_MOST_AHEAD_BYTES,
        outbuf_overflow=2 * _MOST_AHEAD_BYTES,
        **_proxy(settings),
    )


def _addresses(listeners: list[socket.socket], path: str = "/") -> str:
    """Where the sockets really listen, as addresses that a browser takes."""
    found = []
    for listener in listeners:
        host, port = listener.getsockname()[:2]
        found.append(f"http://{f'[{host}]' if ':' in host else host}:{port}{path}")
    return ", ".join(found)


def _proxy(settings: Settings) -> dict[str, Any]:
    """Whose headers about the original request are believed: nobody's, or those of one proxy."""
    if not settings.admin_trusted_proxy:
        return {"clear_untrusted_proxy_headers": True}
    return {
        "trusted_proxy": settings.admin_trusted_proxy,
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"},
        "clear_untrusted_proxy_headers": True,
    }


class PortInUse(OperatorError):
    """Another program listens on a port of the web server; `setting` is the field that names it."""

    def __init__(self, setting: str, text: str) -> None:
        super().__init__(text)
        self.setting = setting


def listen(settings: Settings) -> Listeners:
    """Sockets that listen on both ports.

    Raises PortInUse, or another OperatorError if one of them cannot be had.
    """
    shards = _listen("webserver", settings.webserver_bind, settings.webserver_port)
    try:
        admin = _listen("admin", settings.admin_bind, settings.admin_port)
    except OperatorError:
        Listeners(shards, []).close()
        raise
    return Listeners(shards, admin)


def _listen(name: str, host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on the port that the settings of this name say."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise OperatorError(
            f"{name.upper()}_BIND={host}: no such address: set it to one of this machine, or 0.0.0.0 for all."
        ) from None
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in found:
            # reuse_port stays off: two servers on one port would be a silent mistake.
            listeners.append(socket.create_server(address[:2], family=family, backlog=_BACKLOG))
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise _why_not(error, name.upper(), host, port) from None
    return listeners


def _why_not(error: OSError, name: str, host: str, port: int) -> OperatorError:
    if error.errno == errno.EADDRINUSE:
        return PortInUse(
            f"{name.lower()}_port",
            f"{name}_PORT={port}: the port is in use at {host} by another program: "
            f"stop that program, or set {name}_PORT to a free one.",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return OperatorError(
            f"{name}_BIND={host}: not an address of this machine: set it to one, or 0.0.0.0 for all."
        )
    return OperatorError(f"{name}_PORT={port}: cannot listen at {host}: {error.strerror}.")


def _turn(sockets: dict[int, Any], most_seconds: float) -> None:
    """Wait until there is something to do for some sockets, and do it."""
    wasyncore.loop(most_seconds, use_poll=True, map=sockets, count=1)


def _drain(shard_sockets: dict[int, Any], admin_sockets: dict[int, Any]) -> None:
    """Go on until every request that has arrived is answered, but not for long."""
    for dispatcher in (shard_sockets | admin_sockets).values():
        dispatcher.accepting = False
    rounds = int(STOP_TIMEOUT_SECONDS / 0.1)
    while rounds and any(_is_busy(dispatcher) for dispatcher in (shard_sockets | admin_sockets).values()):
        _turn(shard_sockets | admin_sockets, 0.1)
        rounds -= 1


def _is_busy(dispatcher: Any) -> bool:
    """Whether it is a connection with a request or with an unsent answer; listeners have neither."""
    return bool(getattr(dispatcher, "requests", ()) or getattr(dispatcher, "total_outbufs_len", 0))
