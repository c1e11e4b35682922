"""The web server of an application: waitress, with bounded threads and connections, and a clean stop."""

import errno
import json
import re
import socket
from collections.abc import Callable
from logging import getLogger
from typing import Any, Final

import waitress
from flask import Flask
from waitress import wasyncore
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask

from .errors import StartError
from .headers import protective_headers
from .problems import MEDIA_TYPE
from .settings import Settings

MAX_BODY_BYTES: Final = 65536
_MOST_CONNECTIONS: Final = 2000
_BACKLOG: Final = 1024
_LOOK_AROUND_SECONDS: Final = 0.5
_STOP_SECONDS: Final = 5.0
_API_KEY: Final = re.compile(rb"(\r\n)api_key:", re.IGNORECASE)
_logger = getLogger(__name__)


def listen(settings: Settings) -> list[socket.socket]:
    """Sockets that listen.  Raises StartError."""
    host, port = settings.bind, settings.port
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            listeners.append(socket.create_server(address[:2], family=family, backlog=_BACKLOG))
    except OSError as error:
        for one in listeners:
            one.close()
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"APP_PORT={port}: another program listens there; stop it, or set APP_PORT."
            ) from None
        raise StartError(f"APP_BIND={host}: cannot listen there, port {port}: {error}.") from None
    return listeners


def address_of(listeners: list[socket.socket], settings: Settings) -> str:
    """What a person types into a browser."""
    host, port = listeners[0].getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http{'s' if settings.is_https else ''}://{shown}:{port}/"


def serve(
    app: Flask, listeners: list[socket.socket], settings: Settings, is_stop_wanted: Callable[[], bool]
) -> None:
    """Serve until a stop is wanted, then answer what has arrived."""
    sockets: dict[int, Any] = {}
    proxy: dict[str, Any] = {"clear_untrusted_proxy_headers": True}
    if settings.trusted_proxy:
        proxy |= {
            "trusted_proxy": settings.trusted_proxy,
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"},
        }
    server = waitress.create_server(
        app,
        sockets=listeners,
        threads=settings.threads,
        map=sockets,
        connection_limit=_MOST_CONNECTIONS,
        backlog=_BACKLOG,
        max_request_body_size=MAX_BODY_BYTES,
        ident=None,
        asyncore_use_poll=True,
        **proxy,
    )
    _set_up_channels(sockets, is_https=settings.is_https)
    while not is_stop_wanted():
        wasyncore.loop(_LOOK_AROUND_SECONDS, use_poll=True, map=sockets, count=1)
    for dispatcher in sockets.values():
        dispatcher.accepting = False
    rounds = int(_STOP_SECONDS / 0.1)
    while rounds and any(_is_busy(one) for one in sockets.values()):
        wasyncore.loop(0.1, use_poll=True, map=sockets, count=1)
        rounds -= 1
    server.task_dispatcher.shutdown(timeout=1)
    wasyncore.close_all(sockets)


def _is_busy(dispatcher: Any) -> bool:
    """Whether it is a connection with a request, or with an answer that is not sent."""
    return bool(getattr(dispatcher, "requests", ()) or getattr(dispatcher, "total_outbufs_len", 0))


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Reads the header `api_key` as `api-key`: waitress drops names with an underscore."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(_API_KEY.sub(rb"\1api-key:", header_plus))


def _set_up_channels(sockets: dict[int, Any], *, is_https: bool) -> None:
    """Answer what is too big, or no HTTP at all, with problem documents as well."""
    headers = protective_headers(is_https=is_https) | {
        "Content-Type": MEDIA_TYPE,
        "Cache-Control": "no-store",
    }

    class Explanation(ErrorTask):  # type: ignore[misc]
        def execute(self) -> None:
            error = self.request.error
            code = error.reason.upper().replace(" ", "_")
            problem = {"type": "about:blank", "title": error.reason, "status": error.code, "code": code}
            why = (
                f"The request cannot be read: {error.body}." if error.code < 500 else "It is not your fault."
            )
            body = json.dumps(problem | {"detail": why}).encode()
            self.status = f"{error.code} {error.reason}"
            self.response_headers.extend(headers.items())
            self.set_close_on_finish()
            self.content_length = len(body)
            self.write(body)

    for listener in sockets.values():
        if isinstance(listener, BaseWSGIServer):
            ours = {"error_task_class": Explanation, "parser_class": _Parser}
            listener.channel_class = type("Channel", (listener.channel_class,), ours)
