"""Another host for some processes: a network namespace with one wire, which a test may cut."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection
from time import monotonic, sleep
from typing import Final

from .errors import ServiceMissing

_TOOLS: Final = ("ip", "iptables")
_PLUG_SECONDS: Final = 30.0
_NOBODYS_PORT: Final = 9


class Host:
    """Another machine, as far as the network is concerned.  `near` is the address of this machine there."""

    def __init__(self, number: int) -> None:
        self.name = f"swpt{number}"
        self.near = f"10.{213 + number % 20}.{number // 20 % 250}.1"
        self._far = self.near.removesuffix("1") + "2"
        self._wire = f"swv{number}"

    def words(self, *words: str) -> tuple[str, ...]:
        """The command that runs `words` there, as the same process."""
        return ("ip", "netns", "exec", self.name, *words)

    def cut(self) -> None:
        """Pull the plug out of the wire: nothing arrives any more, also no good-bye."""
        _run("ip", "link", "set", self._wire, "down")

    def plug(self) -> None:
        """Put it in again, and wait until something arrives: both sides remember that nobody was there."""
        _run("ip", "link", "set", self._wire, "up")
        for side in ((), ("-n", self.name)):
            _run("ip", *side, "neighbour", "flush", "all")
        until = monotonic() + _PLUG_SECONDS
        while not self._is_there():
            assert monotonic() < until, f"{self.name} can not be reached"
            sleep(0.05)

    def _is_there(self) -> bool:
        """Whether it answers, which is a refusal: nobody listens."""
        try:
            create_connection((self._far, _NOBODYS_PORT), timeout=1.0).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True

    def lose(self, port: int) -> None:
        """Lose all packets from and to this port of ours, from now on."""
        for chain, which in (("INPUT", "--sport"), ("OUTPUT", "--dport")):
            _run(*self.words("iptables", "-A", chain, "-p", "tcp", which, str(port), "-j", "DROP"))

    def find(self) -> None:
        """Lose nothing any more."""
        _run(*self.words("iptables", "-F"))

    def make(self) -> None:
        """Make the namespace and the wire.  Raises ServiceMissing if we may not."""
        for tool in _TOOLS:
            if shutil.which(tool) is None:
                raise ServiceMissing(f"Network namespaces are missing: there is no `{tool}`.")
        try:
            _run("ip", "netns", "add", self.name)
            _run("ip", "link", "add", self._wire, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            _run("ip", "address", "add", f"{self.near}/24", "dev", self._wire)
            _run("ip", "link", "set", self._wire, "up")
            _run("ip", "-n", self.name, "address", "add", f"{self._far}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _run("ip", "-n", self.name, "link", "set", device, "up")
            _run(*self.words("iptables", "-L", "-n"))
        except subprocess.CalledProcessError as error:
            raise ServiceMissing(f"Network namespaces are missing: {error.stderr.strip()}") from error

    def remove(self) -> None:
        """Take everything away, and harm nothing if it is not there."""
        for words in (("netns", "delete", self.name), ("link", "delete", self._wire)):
            if shutil.which("ip"):
                subprocess.run(("ip", *words), capture_output=True, check=False)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


@contextmanager
def another_host() -> Iterator[Host]:
    """A host that is there for a while.  Raises ServiceMissing if we may not make one."""
    host = Host(os.getpid() % 5000)
    host.remove()
    try:
        host.make()
        yield host
    finally:
        host.remove()
