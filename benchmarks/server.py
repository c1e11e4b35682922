"""The processes under test: the real server, and the ceiling."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from tests.backstage.commands import SERVER, running, said
from tests.services.ports import free_port

from . import ceiling

_READY: Final = {
    "worker": r"Consumer of \w+: connected",
    "web": r"Serving HTTP for other services",
}
"""What a role says when all is done that comes before its work."""


class Server:
    """The real server on a database and a virtual host, with the settings that everybody gets."""

    def __init__(self, postgres_url: str, amqp_url: str, **environ: str) -> None:
        self.postgres_url = postgres_url
        self.amqp_url = amqp_url
        self._environ = {
            "POSTGRES_URL": postgres_url,
            "PROTOCOL_BROKER_URL": amqp_url,
            "LOG_LEVEL": "info",
            **environ,
        }
        code, lines = said((*SERVER, "configure"), self._environ)
        assert code == 0, f"the server can not be configured: {lines}"

    @contextmanager
    def running(
        self, workers: int = 1, *more_roles: str, web_port: int | None = None
    ) -> Iterator[dict[int, str]]:
        """Workers, and other roles; the names of the roles by process id."""
        roles = {}
        with ExitStack() as stack:
            for role in (*["worker"] * workers, *more_roles):
                ports = {"WEBSERVER_PORT": str(web_port or free_port()), "ADMIN_PORT": str(free_port())}
                command = stack.enter_context(running((*SERVER, role), self._environ | ports))
                roles[command.process.pid] = role
                if role in _READY:
                    command.wait_for(_READY[role])
            yield roles

    @contextmanager
    def once(self, chore: str) -> Iterator[dict[int, str]]:
        """A process that does a chore to its end; its role by process id."""
        with running((*SERVER, "chores", "--once", "--only", chore), self._environ) as command:
            yield {command.process.pid: "chores"}


@contextmanager
def running_ceiling(amqp_url: str, *options: str) -> Iterator[dict[int, str]]:
    """The ceiling in a process of its own; its role by process id."""
    words = (sys.executable, "-m", "benchmarks.ceiling", amqp_url, *options)
    with running(words, {}) as command:
        command.wait_for(ceiling.READY)
        yield {command.process.pid: "ceiling"}
