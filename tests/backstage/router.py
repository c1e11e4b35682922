"""A router for the HTTP interface of the shards of a node, with faults at a test's wish."""

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from swpt_accounts.wire.numbers import i64
from swpt_accounts.wire.routing import Realm


class Router:
    """Where each realm is served, and which shards are away."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self.away: set[str] = set()
        self.calls: list[str] = []
        self.url = ""

    def target_of(self, path: str) -> str | None:
        """The binding key of the shard that a path is for."""
        _, kind, *words = path.split("/")
        for key in self.ports:
            realm = Realm.parse(key)
            if kind == "realms" and key.replace(".", "").removesuffix("#") == words[0]:
                return key
            if kind == "accounts" and len(words) == 3 and realm.owns(i64(int(words[0])), i64(int(words[1]))):
                return key
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    router: Router

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        """Pass a question on."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        router = self.router
        router.calls.append(f"{self.command} {self.path}")
        target = router.target_of(self.path)
        if target is None or target in router.away:
            self._say(503, {}, b"No shard answers for this account.\n")
            return
        try:
            port = router.ports[target]
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                self._say(answer.status, dict(answer.getheaders()), answer.read())
        except OSError:
            self._say(502, {}, b"The shard is away.\n")

    do_POST = do_GET  # noqa: N815 - the library wants it so

    def _say(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks may go away when he likes."""


@contextmanager
def routing() -> Iterator[Router]:
    """A router without shards; a test says where they are."""
    router = Router()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"router": router}))
    router.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True)
    thread.start()
    try:
        yield router
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
