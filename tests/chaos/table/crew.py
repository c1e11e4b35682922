"""The server's roles as processes, of which any may be killed, stopped and started again."""

import os
import signal
from collections.abc import Mapping
from typing import Final

from tests.backstage.commands import SERVER, Command, get
from tests.backstage.nginx import kill_family
from tests.backstage.server import CONSUMING, kill
from tests.backstage.waiting import wait_until

ROLES: Final = ("worker", "chores", "web")
_STARTS_WITHIN_SECONDS: Final = 120.0


class Crew:
    """Processes by their names: a name is a role, and perhaps what tells it from another one: "worker 2"."""

    def __init__(self, environ: Mapping[str, str], *, before: tuple[str, ...] = ()) -> None:
        self.environ = dict(environ)
        self._before = before
        self._running: dict[str, Command] = {}
        self._said: list[str] = []

    def start(
        self, name: str, *, before: tuple[str, ...] | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        """Start a process; `await_ready` waits until it works."""
        words = (*(self._before if before is None else before), *SERVER, name.split(maxsplit=1)[0])
        self._running[name] = Command(words, self.environ | dict(environ or {}))

    def start_all(self, *names: str) -> None:
        """Start these, and wait until they work."""
        for name in names:
            self.start(name)
        self.await_ready()

    def await_ready(self) -> None:
        """Wait until workers consume, and the web server answers."""
        for name, command in self._running.items():
            if name.startswith(("worker", "all")):
                command.wait_for(CONSUMING, timeout=_STARTS_WITHIN_SECONDS)
        if {"web", "all"} & set(self._running):
            wait_until(self.is_answering, "the web server", _STARTS_WITHIN_SECONDS)

    def is_answering(self) -> bool:
        """Whether the web server answers."""
        try:
            return get(int(self.environ["WEBSERVER_PORT"]), "/accounts/healthz")[0] == 200
        except OSError:
            return False

    def kill(self, name: str, *, family: bool = False) -> None:
        """End a process as `kill -9` does, with all that it has started if wanted."""
        command = self._running.pop(name)
        if family:
            kill_family(command.process)
            command.wait()
        else:
            kill(command)
        self._forget(command)

    def kill_all(self) -> list[str]:
        """End all of them at once; their names."""
        names = list(self._running)
        for command in self._running.values():
            os.kill(command.process.pid, signal.SIGSTOP)  # none hears of the end of another one
        for name in names:
            self.kill(name)
        return names

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        self._running[name].process.send_signal(number)

    def stop(self) -> list[str]:
        """End all in order; what was wrong with that."""
        wrong = self.ended()
        for command in self._running.values():
            command.process.terminate()
        for name, command in self._running.items():
            code = command.wait()
            if code != 0:
                wrong.append(f"{name} ended with {code}")
            self._forget(command)
        self._running = {}
        return wrong

    def close(self) -> None:
        """End what still runs, however."""
        for name in list(self._running):
            self.kill(name, family=True)

    def ended(self) -> list[str]:
        """Processes that have ended by themselves, with their last words."""
        gone = [one for one in self._running.items() if one[1].process.poll() is not None]
        return [f"{name} has ended: {' / '.join(command.lines[-3:])}" for name, command in gone]

    def surprises(self) -> list[str]:
        """What they have said that no program of ours should: errors that nobody has expected."""
        said = self._said + [line for command in self._running.values() for line in command.lines]
        return [line for line in said if "Traceback" in line or " CRITICAL " in line]

    def _forget(self, command: Command) -> None:
        self._said += command.lines
        if command.process.stderr is not None:
            command.process.stderr.close()
