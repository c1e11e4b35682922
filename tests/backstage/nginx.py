"""The router of a node: nginx with the files that `router` writes."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from swpt_accounts.commands.cli import program
from tests.backstage.commands import TOP, get
from tests.backstage.waiting import wait_until
from tests.services.nginx import require_nginx
from tests.services.ports import free_port

_STARTS_WITHIN_SECONDS: Final = 120.0


class Router:
    """nginx with the files that `router` writes."""

    def __init__(self, folder: Path, ports: Mapping[str, int]) -> None:
        self._nginx = require_nginx()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.lead(ports)

    def lead(self, ports: Mapping[str, int]) -> None:
        """Write where each realm is served; a router that runs takes it without losing a question."""
        parts = [f"{key}=127.0.0.1:{port}" for key, port in ports.items()]
        words = ["router", *parts, "--folder", str(self._folder), "--listen", f"127.0.0.1:{self.port}"]
        made = CliRunner().invoke(program, words)
        assert made.exit_code == 0, made.output
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        configuration = str(self._folder / "nginx.conf")
        self._process = subprocess.Popen(
            [self._nginx, "-c", configuration, "-g", "daemon off;"], cwd=TOP, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, "the router", _STARTS_WITHIN_SECONDS)

    @property
    def pid(self) -> int:
        """The process whose children do the work."""
        assert self._process is not None, "it runs"
        return self._process.pid

    def kill(self) -> None:
        """End it with all its processes, if it runs."""
        if self._process is not None:
            kill_family(self._process)
            self._process = None

    def _answers(self) -> bool:
        try:
            return get(self.port, "/accounts/healthz")[0] == 200
        except OSError:
            return False


def kill_family(process: "subprocess.Popen[Any]") -> None:
    """End a process and its children at once, before one hears of the other's end."""
    if process.poll() is not None:
        return
    os.kill(process.pid, signal.SIGSTOP)  # no new ones from now on
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it was just ending by itself
    process.wait()
