"""A port that leads to another one, and that can be frozen, cut or closed by a test."""

import socket
import threading
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

TO_SERVER: Final = "to the server"
TO_CLIENT: Final = "to the client"

_HEAD_BYTES: Final = 4096
_DEFAULT_PORTS: Final = {"amqp": 5672, "postgresql": 5432}


class _Link:
    """One connection through the proxy, with a thread for each direction."""

    def __init__(self, proxy: "Proxy", near: socket.socket, far: socket.socket) -> None:
        self._proxy = proxy
        self._ends = near, far
        self.head = b""  # the first words of the client, which show who it is
        for source, target, direction in ((near, far, TO_SERVER), (far, near, TO_CLIENT)):
            threading.Thread(target=self._pump, args=(source, target, direction), daemon=True).start()

    def close(self) -> None:
        for end in self._ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already
            end.close()

    def _pump(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        try:
            while data := source.recv(65536):
                if direction == TO_SERVER and len(self.head) < _HEAD_BYTES:
                    self.head += data
                self._proxy.before(self, data, direction)
                target.sendall(data)
        except OSError:
            pass  # one of the ends is closed
        self.close()


class Proxy:
    """Forwards connections to the address in `url`; `self.url` is the same address through here."""

    def __init__(self, url: str, address: str = "127.0.0.1") -> None:
        self._address = address
        parts = urlsplit(url)
        self._target = parts.hostname or "127.0.0.1", parts.port or _DEFAULT_PORTS[parts.scheme]
        options = dict(parse_qsl(parts.query))
        self._socket = f"{options['host']}/.s.PGSQL.{options['port']}" if "host" in options else None
        self._listener = self._listen(0)
        self._port: int = self._listener.getsockname()[1]
        user = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{user}@{address}:{self._port}", query=""))
        self._links: list[_Link] = []
        self._changed = threading.Condition()
        self._frozen: set[tuple[str, bytes]] = set()
        self._trap: bytes | None = None
        self._before_trap = b""
        self._in_trap: _Link | None = None
        self.trapped = threading.Event()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server((self._address, port), reuse_port=False)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near = listener.accept()[0]
            except OSError:
                return
            try:
                far = self._connect()
            except OSError:
                near.close()
                continue
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._links.append(_Link(self, near, far))

    def _connect(self) -> socket.socket:
        if self._socket is not None:  # a PostgreSQL of our own has no port
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._socket)
        else:
            far = socket.create_connection(self._target)
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return far

    # -- what a test does to the connections ---------------------------------------------------

    def freeze(self, direction: str, who: bytes = b"") -> None:
        """Hold what travels in this direction, of the clients whose first words contain `who`."""
        with self._changed:
            self._frozen.add((direction, who))

    def thaw(self) -> None:
        """Let everything flow again, also what was held."""
        with self._changed:
            self._frozen.clear()
            self._trap = None
            self._before_trap, self._in_trap = b"", None
            self.trapped.clear()
            self._changed.notify_all()

    def trap(self, words: bytes, after: bytes = b"") -> None:
        """Freeze all answers as soon as a client has said these words; `trapped` shows that it has.

        With `after`, only a client that has said those words before counts.
        """
        with self._changed:
            self._trap = words
            self._before_trap, self._in_trap = after, None

    def cut(self, who: bytes = b"") -> None:
        """Close the connections of the clients whose first words contain `who`; all can connect again."""
        with self._changed:
            links = [link for link in self._links if who in link.head]
            self._links = [link for link in self._links if link not in links]
            self._changed.notify_all()
        for link in links:
            link.close()

    def refuse(self) -> None:
        """Close the port and all connections, as if the server had gone away."""
        # A thread that waits in accept() would keep the port open.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def accept(self) -> None:
        """Open the port again."""
        self._listener = self._listen(self._port)

    def close(self) -> None:
        """End everything."""
        try:
            self.refuse()
        except OSError:
            self.cut()  # it was refusing already

    # -- what the connections ask --------------------------------------------------------------

    def before(self, link: _Link, data: bytes, direction: str) -> None:
        """Wait until the data may pass.  Raises ConnectionAbortedError if the connection is cut."""
        with self._changed:
            if direction == TO_SERVER and self._trap is not None and self._is_caught(link, data):
                self._frozen.add((TO_CLIENT, b""))
                self.trapped.set()
            while self._holds(link, direction) and link in self._links:
                self._changed.wait()
            if link not in self._links:
                raise ConnectionAbortedError  # what was held is lost, as in a real network

    def _is_caught(self, link: _Link, data: bytes) -> bool:
        assert self._trap is not None
        if self._before_trap and self._in_trap is None:
            if self._before_trap in data:
                self._in_trap = link
            return False
        return self._trap in data and self._in_trap in (None, link)

    def _holds(self, link: _Link, direction: str) -> bool:
        return any(way == direction and who in link.head for way, who in self._frozen)
