"""An application as a process of its own, as people run it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, Final, Self

import psycopg2
import requests
from requests.adapters import HTTPAdapter

from swpt_client.embedded import EmbeddedServer

from .waiting import wait_until

APPS: Final = Path(__file__).parents[2]
START_SECONDS: Final = 90.0
_ADDRESS: Final = re.compile(r": (http://\S+)$")


class Program:
    """An application in a folder, or beside a server elsewhere; it can be killed and started again."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self.name = name
        self._environ = {"APP_PORT": "0", **environ}
        self._process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []
        """What it has said on standard output and standard error."""
        self.address = ""

    def start(self) -> None:
        """Start it, and wait until it can be asked; the port stays the same from then on."""
        said: Queue[str] = Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.name],
            cwd=APPS,
            env=_surroundings() | self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        Thread(target=self._listen, args=(self._process, said), daemon=True).start()
        while True:
            try:
                line = said.get(timeout=START_SECONDS)
            except Empty:
                raise AssertionError(f"{self.name} does not start:\n" + "".join(self.lines)) from None
            if found := _ADDRESS.search(line.rstrip()):
                self.address = found.group(1).rstrip("/")
                self._environ["APP_PORT"] = self.address.rpartition(":")[2]
                return
            assert line, f"{self.name} has ended:\n" + "".join(self.lines)

    def _listen(self, process: "subprocess.Popen[str]", said: "Queue[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.lines.append(line)
                said.put(line)
        said.put("")

    def kill(self) -> None:
        """As `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int:
        """As Ctrl-C does; gives the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command beside the running program."""
        return run_command(self.name, arguments, self._environ)

    def verify(self) -> str:
        """What `verify` says, which must find no difference."""
        done = self.command("verify")
        assert done.returncode == 0, done.stdout + done.stderr
        assert " 0 differ" in done.stdout
        return done.stdout

    def verify_all(self) -> None:
        """Everything is compared, the root as well: up to a minute after the last change."""
        said = [self.verify()]

        def is_quiet() -> bool:
            said[0] = self.verify()
            return ", 0 not yet." in said[0]

        try:
            wait_until(is_quiet, "a quiet moment", 2 * START_SECONDS)
        except AssertionError:
            raise AssertionError(said[0]) from None

    @property
    def database_url(self) -> str:
        """Of the application's own database."""
        url = self._environ.get("POSTGRES_URL")
        return url or EmbeddedServer(Path(self._environ["APP_FOLDER"])).database_url(self.application)

    @property
    def application(self) -> str:
        """Its name; a program of a test may be called otherwise."""
        return self.name.rpartition(".")[0].rpartition(".")[2] or self.name

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Something said to the application's own database; what comes back."""
        connection = psycopg2.connect(self.database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            if self._process is not None:
                self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()


def run_command(
    name: str, arguments: tuple[str, ...], environ: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """A command of an application, and what it says."""
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=APPS,
        env=_surroundings() | dict(environ),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def _surroundings() -> dict[str, str]:
    ours = ("POSTGRES_URL", "PROTOCOL_BROKER_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
    return {name: value for name, value in kept.items() if name not in ours} | {"PYTHONUNBUFFERED": "1"}


class _Elsewhere(HTTPAdapter):
    """Connections from another address of this machine, whose failures nobody else is blamed for."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, source_address=("127.0.0.2", 0), **options)


class Caller:
    """Somebody with a connection, and maybe a token."""

    def __init__(self, address: str, prefix: str = "") -> None:
        self.session = requests.Session()
        self.address = address
        self._base = address + prefix

    def go_elsewhere(self) -> Self:
        """Ask from another address from now on."""
        self.session.mount("http://", _Elsewhere())
        return self

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> requests.Response:
        """A JSON body; `key` is the Idempotency-Key."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.session.post(self._base + path, json=body, headers=headers, timeout=60)

    def get(self, path: str, **query: Any) -> requests.Response:
        """A question."""
        return self.session.get(self._base + path, params=query, timeout=60)

    def wait_for(self, path: str) -> requests.Response:
        """Ask until something is not running any more."""
        until = time.monotonic() + START_SECONDS
        while (answer := self.get(path)).json().get("status") == "running":
            assert time.monotonic() < until, answer.text
            time.sleep(0.05)
        return answer


@contextmanager
def embedded(name: str, folder: Path, **environ: str) -> Iterator[Program]:
    """The program with everything in one folder."""
    with Program(name, {"APP_FOLDER": str(folder), **environ}) as program:
        yield program
