"""Other shards as HTTP servers that a test scripts, with all the manners that a network has."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from operator import attrgetter
from typing import Any, Final, TypeAlias

from swpt_accounts.wire.numbers import i64
from swpt_accounts.wire.routing import Realm

AccountKey: TypeAlias = tuple[int, int]

name: Final = attrgetter("__name__")
"""What a manner is called, for the ids of tests."""

Manner: TypeAlias = Callable[["FarShards", BaseHTTPRequestHandler], bool]
"""Answers a request in its own way, and says so; or leaves it to the shards."""


@dataclass
class FarShards:
    """What the other shards know, how they behave, and what they were asked."""

    realms: list[Realm]
    reachable: set[AccountKey] = field(default_factory=set)
    configs: dict[int, str] = field(default_factory=dict)
    manner: Manner = lambda shards, handler: False
    max_age: int = 10
    says_realm: bool = True
    queues: dict[str, str] = field(default_factory=dict)
    """What each shard says that its queue is, by binding key."""
    knows_many: bool = True
    asked: Counter[AccountKey] = field(default_factory=Counter)
    calls: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    url: str = ""
    is_over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def realm_of(self, key: AccountKey) -> Realm | None:
        """The realm of the shard that has the account."""
        return next((realm for realm in self.realms if realm.owns(*key)), None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shards: FarShards

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        """Answer one question."""
        self._serve(self._answer_one)

    def do_POST(self) -> None:
        """Answer many."""
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self._serve(self._answer_many)

    def _serve(self, answer: Callable[[], None]) -> None:
        shards = self.shards
        with shards.lock:
            shards.calls.append(f"{self.command} {self.path}")
            shards.headers.append(dict(self.headers))
            shards.running += 1
            shards.most_running = max(shards.most_running, shards.running)
        try:
            if not shards.manner(shards, self):
                answer()
        except OSError:
            self.close_connection = True
        finally:
            with shards.lock:
                shards.running -= 1

    def say(self, status: int, body: bytes = b"", realm: Realm | None = None, **headers: str) -> None:
        """Send an answer."""
        self.send_response(status)
        if realm is not None and self.shards.says_realm:
            self.send_header("Shard-Realm", realm.binding_key)
            if queue := self.shards.queues.get(realm.binding_key):
                self.send_header("Shard-Queue", queue)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer_one(self) -> None:
        shards = self.shards
        _, _, debtor, creditor, resource = self.path.split("/")
        key = i64(int(debtor)), i64(int(creditor))
        with shards.lock:
            shards.asked[key] += 1
        realm = shards.realm_of(key)
        if realm is None:
            self.say(503, b"No shard has this account.\n")
        elif resource == "config":
            text = shards.configs.get(key[0])
            self.say(404, realm=realm) if text is None else self.say(200, text.encode(), realm)
        elif key in shards.reachable:
            self.say(204, realm=realm, Cache_Control=f"max-age={shards.max_age}")
        else:
            self.say(404, realm=realm, Cache_Control="no-store")

    def _answer_many(self) -> None:
        shards = self.shards
        digits = self.path.split("/")[2]
        keys = [(debtor_id, creditor_id) for debtor_id, creditor_id in json.loads(self.body)]
        if not shards.knows_many:
            self.say(404, b"Not Found")
        elif digits not in {realm.binding_key.replace(".", "")[:-1] for realm in shards.realms}:
            self.say(503, b"No shard has this realm.\n")
        else:
            with shards.lock:
                shards.asked.update(keys)
            said = {"reachable": [key in shards.reachable for key in keys], "max_age": shards.max_age}
            self.say(200, json.dumps(said).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks may go away when he likes."""


@contextmanager
def far_shards(*binding_keys: str, **fields: Any) -> Iterator[FarShards]:
    """Shards with these realms behind one address."""
    shards = FarShards([Realm.parse(key) for key in binding_keys], **fields)
    handler = type("Handler", (_Handler,), {"shards": shards})
    server = _Server(("127.0.0.1", 0), handler)
    shards.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.05), daemon=True)
    thread.start()
    try:
        yield shards
    finally:
        shards.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


# -- manners -----------------------------------------------------------------------------------


def answers(status: int, body: bytes = b"", **headers: str) -> Manner:
    """Always the same answer."""

    def say(shards: FarShards, handler: Any) -> bool:
        handler.say(status, body, **headers)
        return True

    say.__name__ = f"answers_{status}"
    return say


def hangs(shards: FarShards, handler: BaseHTTPRequestHandler) -> bool:
    """Takes the question, and says nothing."""
    shards.is_over.wait(60)
    handler.close_connection = True
    return True


def trickles(shards: FarShards, handler: BaseHTTPRequestHandler) -> bool:
    """Sends one byte of its head after the other, and never ends."""
    handler.wfile.write(b"HTTP/1.1 204 No Content\r\nX-Long: ")
    while not shards.is_over.wait(0.05):
        handler.wfile.write(b"x")
    handler.close_connection = True
    return True


def trickles_body(shards: FarShards, handler: BaseHTTPRequestHandler) -> bool:
    """Sends one byte of its text after the other."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not shards.is_over.wait(0.05):
        handler.wfile.write(b"x")
    handler.close_connection = True
    return True


def endless(shards: FarShards, handler: BaseHTTPRequestHandler) -> bool:
    """Sends as much as anybody takes."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while not shards.is_over.is_set():
        handler.wfile.write(b"x" * 65536)
    return True


def resets(shards: FarShards, handler: BaseHTTPRequestHandler) -> bool:
    """Ends the connection without a word."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True
    return True


def babbles(shards: FarShards, handler: BaseHTTPRequestHandler) -> bool:
    """Speaks no HTTP."""
    handler.wfile.write(b"+OK POP3 ready\r\n")
    handler.close_connection = True
    return True
