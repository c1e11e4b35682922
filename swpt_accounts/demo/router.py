"""The router of a node whose shards are in this process: a question goes to the application of its shard.

A node on several machines has nginx for that (`swpt-accounts router`).
"""

import socket
from collections.abc import Callable, Iterable, Mapping
from threading import Event, Thread
from typing import Any, Final, TypeAlias

import waitress
from waitress import wasyncore

from swpt_accounts.shards.terms import NO_SHARD
from swpt_accounts.wire.numbers import i64
from swpt_accounts.wire.routing import Realm

Application: TypeAlias = Callable[[Any, Any], Iterable[bytes]]

_THREADS: Final = 8
_LOOK_AROUND_SECONDS: Final = 0.25


class Router:
    """Listens from the moment when it is made, and answers from `start` to `stop`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._applications: Mapping[Realm, Application] = {}
        self._stop = Event()
        self._thread: Thread | None = None

    def start(self, applications: Mapping[Realm, Application]) -> None:
        """Lead to these from now on."""
        self._applications = applications
        self._thread = Thread(target=self._serve, name="router", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer no more.  Twice is harmless."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._listener.close()

    def _serve(self) -> None:
        sockets: dict[int, Any] = {}
        server = waitress.create_server(
            self._answer, sockets=[self._listener], threads=_THREADS, map=sockets, ident=None
        )
        while not self._stop.is_set():
            wasyncore.loop(_LOOK_AROUND_SECONDS, use_poll=True, map=sockets, count=1)
        server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(sockets)

    def _answer(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        realm = realm_of(environ["PATH_INFO"], self._applications)
        if realm is None:
            # Never 404, which would mean that an account does not accept transfers.
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [NO_SHARD.encode()]
        return self._applications[realm](environ, start_response)


def realm_of(path: str, realms: Iterable[Realm]) -> Realm | None:
    """The realm that a path is about; None if nobody has it."""
    match path.split("/"):
        case ["", "realms", digits, _]:
            return next((one for one in realms if one.digits == digits), None)
        case ["", "accounts", debtor, creditor, _] if _is_id(debtor) and _is_id(creditor):
            key = i64(int(debtor)), i64(int(creditor))
            return next((one for one in realms if one.owns_key(key)), None)
    return None


def _is_id(text: str) -> bool:
    return len(text) <= 20 and text.isascii() and text.isdecimal() and int(text) < 2**64
