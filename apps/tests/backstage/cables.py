"""A cable to a server that others use as well: a test can pull it out, and nobody else notices."""

import socket
from contextlib import suppress
from threading import Lock, Thread
from typing import Final, Self
from urllib.parse import urlsplit

_BYTES: Final = 65536


class Cable:
    """Forwards connections to the server of an address, as long as it is not cut."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._to = parts.hostname, parts.port or {"postgresql": 5432, "amqp": 5672}[parts.scheme]
        self._lock = Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        user = "" if "@" not in parts.netloc else parts.netloc.rpartition("@")[0] + "@"
        self.url = parts._replace(netloc=f"{user}127.0.0.1:{port}").geturl()
        """The address to be used instead."""
        Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, and every new one at once."""
        with self._lock:
            self._is_cut = True
            for one in self._open:
                _shut(one)

    def mend(self) -> None:
        """As it was."""
        with self._lock:
            self._is_cut = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        _shut(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._to)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
                if self._is_cut:
                    _shut(near)
                    _shut(far)
            Thread(target=self._join, args=(near, far), daemon=True).start()

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            back = Thread(target=_forward, args=(far, near), daemon=True)
            back.start()
            _forward(near, far)
            back.join()
            with self._lock:
                self._open -= {near, far}


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_BYTES):
            sink.sendall(data)
    _shut(source)
    _shut(sink)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
