"""An accounting server elsewhere: processes of its own, on the PostgreSQL and RabbitMQ that run here."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final
from urllib.parse import urlsplit

import psycopg2
import pytest

from .running import APPS

POSTGRES_URL: Final = os.environ.get("TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
BROKER_URL: Final = os.environ.get("TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672")
_STOP_SECONDS: Final = 60.0


def _admin(statement: str) -> None:
    with closing(psycopg2.connect(POSTGRES_URL)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)


def _rabbitmqctl(*arguments: str) -> None:
    subprocess.run(["rabbitmqctl", "-q", *arguments], check=True, capture_output=True, timeout=120)


def _free_port() -> str:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return str(listener.getsockname()[1])


class Elsewhere:
    """An accounting server that is another process, and the settings of an application beside it."""

    def __init__(self, mark: str) -> None:
        self._url, self._broker = _address(POSTGRES_URL, mark), _address(BROKER_URL, mark)
        self._server: subprocess.Popen[bytes] | None = None
        self.environ = {
            "POSTGRES_URL": _address(POSTGRES_URL, f"{mark}_app"),
            "PROTOCOL_BROKER_URL": self._broker,
        }

    def start(self) -> None:
        """Run it, from now on."""
        self._server = _start_server(self._url, self._broker)

    def stop(self) -> None:
        """Stop it; the broker keeps what it is sent."""
        if self._server is None:
            return
        self._server.send_signal(signal.SIGTERM)
        try:
            self._server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
        self._server = None


@contextmanager
def server_elsewhere(name: str) -> Iterator[dict[str, str]]:
    """POSTGRES_URL and PROTOCOL_BROKER_URL for the application `name`, whose server is another process."""
    with elsewhere(name) as found:
        yield found.environ


@contextmanager
def elsewhere(name: str) -> Iterator[Elsewhere]:
    """The same, for who stops the server.

    Database and virtual host are of this test alone.  Skips the test if there are no servers to share.
    """
    if "none" in (POSTGRES_URL, BROKER_URL):
        pytest.skip("it needs servers to share, and TEST_POSTGRES_URL or TEST_BROKER_URL is none")
    mark = f"swpt_test_{name}_{token_hex(4)}"
    if shutil.which("rabbitmqctl") is None or os.geteuid() != 0:
        pytest.skip("it needs RabbitMQ on this machine, and root for a virtual host of its own")
    try:
        _admin(f"CREATE DATABASE {mark}")
    except psycopg2.OperationalError:
        pytest.skip(f"it needs PostgreSQL at {urlsplit(POSTGRES_URL).hostname}")
    found = Elsewhere(mark)
    try:
        _admin(f"CREATE DATABASE {mark}_app")
        _rabbitmqctl("add_vhost", mark)
        _rabbitmqctl("set_permissions", "-p", mark, "guest", ".*", ".*", ".*")
        found.start()
        yield found
    finally:
        found.stop()
        with suppress(subprocess.CalledProcessError):
            _rabbitmqctl("delete_vhost", mark)
        for database in (mark, f"{mark}_app", f"{mark}_app_copy"):
            _admin(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def back_up(url: str) -> str:
    """A copy of a database that nobody uses at this moment; gives its name."""
    name = urlsplit(url).path[1:]
    _admin(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    return f"{name}_copy"


def swpt_client(url: str, *words: str) -> str:
    """What the command of the SDK says of a database."""
    command = str(Path(sys.executable).parent / "swpt-client")
    done = subprocess.run(
        [command, "--database", url, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def restore(url: str, copy: str) -> None:
    """The database becomes its copy, which is no more; nobody may use either."""
    name = urlsplit(url).path[1:]
    _admin(f"DROP DATABASE {name}")
    _admin(f"ALTER DATABASE {copy} RENAME TO {name}")


def _address(url: str, path: str) -> str:
    return urlsplit(url)._replace(path=f"/{path}").geturl()


def _start_server(url: str, broker: str) -> "subprocess.Popen[bytes]":
    environ = {
        "PATH": os.environ["PATH"],
        "POSTGRES_URL": url,
        "PROTOCOL_BROKER_URL": broker,
        "WEBSERVER_PORT": _free_port(),
        "ADMIN_PORT": _free_port(),
    }
    command = [sys.executable, "-m", "swpt_accounts", "all"]
    return subprocess.Popen(
        command, cwd=APPS.parent, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
