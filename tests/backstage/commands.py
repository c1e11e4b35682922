"""Commands of the server as processes of their own, as operators start them."""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.services.leftovers import is_shifted

TOP = Path(__file__).parents[2]

_CLOCK = tuple(
    f"{name}={value}"
    for name, value in os.environ.items()
    if is_shifted() and (name in ("LD_PRELOAD", "PYTHONPATH") or name.startswith("FAKETIME"))
)
PYTHON = ("env", *_CLOCK, sys.executable) if _CLOCK else (sys.executable,)
"""Whatever the environment of a program, its clock is that of the tests, also where that is shifted."""

SERVER = (*PYTHON, "-m", "swpt_accounts")
FLASK = (*PYTHON, "-m", "flask")
DRAMATIQ = (*PYTHON, "-m", "dramatiq")

_PATIENCE_SECONDS = 120.0


class Command:
    """A running command, whose standard error is read while it runs."""

    def __init__(self, words: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            words,
            cwd=TOP,
            env={
                "PATH": os.environ["PATH"],
                "TMPDIR": tempfile.gettempdir(),
                "PYTHONUNBUFFERED": "1",
                **environ,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, pattern: str, *, times: int = 1, timeout: float = _PATIENCE_SECONDS) -> str:
        """The line of standard error that matches for the `times`-th time, within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._news:
            while len(found := [line for line in self.lines if re.search(pattern, line)]) < times:
                left = deadline - time.monotonic()
                assert left > 0, f"no line with {pattern!r} in time: {self.lines}"
                assert self._reader.is_alive(), f"ended without a line with {pattern!r}: {self.lines}"
                self._news.wait(min(left, 0.5))
            return found[times - 1]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code, when it has ended and all it has said is read."""
        code = self.process.wait(_PATIENCE_SECONDS)
        self._reader.join(_PATIENCE_SECONDS)
        return code


@contextmanager
def running(words: tuple[str, ...], environ: Mapping[str, str]) -> Iterator[Command]:
    """The command, which is ended at the end of the context in any case."""
    command = Command(words, environ)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.terminate()
            try:
                command.process.wait(10)
            except subprocess.TimeoutExpired:
                command.process.kill()
        command.wait()
        assert command.process.stderr is not None
        command.process.stderr.close()


_GUARD = "a guard of the database is off"


def said(words: tuple[str, ...], environ: Mapping[str, str]) -> tuple[int, list[str]]:
    """The exit code and the standard error of a command that ends by itself.

    What it says of a guard that the PostgreSQL of this machine has not is left out.
    """
    with running(words, environ) as command:
        return command.wait(), [line for line in command.lines if _GUARD not in line.lower()]


def answered(words: tuple[str, ...], environ: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and the standard output of a command that ends by itself."""
    env = {"PATH": os.environ["PATH"], "TMPDIR": tempfile.gettempdir(), **environ}
    done = subprocess.run(
        words, cwd=TOP, env=env, stdout=subprocess.PIPE, text=True, timeout=_PATIENCE_SECONDS, check=False
    )
    return done.returncode, done.stdout


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of an answer of a web server on this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
