"""A whole server as operators run it: configured, started, found healthy, and stopped in order."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tests.backstage.commands import SERVER, Command, running, said
from tests.services.ports import free_port

_STARTS_WITHIN_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Deployment:
    """A running server: where it is, and what it says."""

    postgres_url: str
    amqp_url: str
    web_port: int
    process: Command

    def last_words(self) -> str:
        """The newest lines of its log."""
        return "\n".join(self.process.lines[-10:])


@contextmanager
def serving(
    postgres_url: str,
    amqp_url: str,
    *,
    configure: bool = False,
    allowed_alarms: tuple[str, ...] = (),
    **settings: str,
) -> Iterator[Deployment]:
    """A server with these settings; it must end well, with no alarms but those allowed.

    `all` configures what it needs as well; `configure` is a command of its own before it.
    """
    port = free_port()
    environ = {
        "POSTGRES_URL": postgres_url,
        "PROTOCOL_BROKER_URL": amqp_url,
        "WEBSERVER_BIND": "127.0.0.1",
        "WEBSERVER_PORT": str(port),
        "ADMIN_PORT": str(free_port()),
        **settings,
    }
    if configure:
        code, lines = said((*SERVER, "configure"), environ)
        assert code == 0, lines
    with running((*SERVER, "all"), environ) as server:
        _wait_until_healthy(server, environ)
        yield Deployment(postgres_url, amqp_url, port, server)
        code = server.stop()
    assert code == 0, server.lines[-20:]
    alarms = [
        line
        for line in server.lines
        if ("ALARM" in line or "Traceback" in line) and not any(one in line for one in allowed_alarms)
    ]
    assert not alarms, alarms


def _wait_until_healthy(server: Command, environ: dict[str, str]) -> None:
    # Health checks are processes too, and would only slow down what they wait for.
    server.wait_for("Serving HTTP")
    deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
    while True:
        code, lines = said((*SERVER, "healthcheck", "--role", "all"), environ)
        if code == 0:
            return
        assert server.process.poll() is None, server.lines
        assert time.monotonic() < deadline, (lines, server.lines[-20:])
