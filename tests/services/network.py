"""Other hosts for some processes: network namespaces with one wire each, which a test may cut."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import create_connection
from time import monotonic, sleep
from typing import Final

from .errors import ServiceMissing

_TOOLS: Final = ("ip", "iptables")
_PLUG_SECONDS: Final = 30.0
_NOBODYS_PORT: Final = 9

_RESOLVERS: Final = Path("/etc/netns")
"""What lies here under the name of a namespace lies in `/etc` of the programs there."""

_NOBODY_RESOLVES: Final = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
"""Where nobody can be asked, who looks up a name should hear so at once."""


class Host:
    """Another machine, as far as the network is concerned.

    `near` is the address of this machine there, and `far` its own.  A host of several on a `switch` is
    reached by the others as well.
    """

    def __init__(self, number: int, place: int = 0, switch: str = "") -> None:
        self.name = f"swpt{number}_{place}"
        net = f"10.{213 + number % 20}.{number // 20 % 250}"
        self.near, self.far = f"{net}.1", f"{net}.{2 + place}"
        self.everybody = f"{net}.0/24"
        self._wire = f"swv{number}_{place}"
        self._switch = switch

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
            create_connection((self.far, _NOBODYS_PORT), timeout=1.0).close()
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
            self._resolver.mkdir(parents=True, exist_ok=True)
            (self._resolver / "resolv.conf").write_text(_NOBODY_RESOLVES)
            _run("ip", "link", "add", self._wire, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            if self._switch:
                _run("ip", "link", "set", self._wire, "master", self._switch)
            else:
                _run("ip", "address", "add", f"{self.near}/24", "dev", self._wire)
            _run("ip", "link", "set", self._wire, "up")
            _run("ip", "-n", self.name, "address", "add", f"{self.far}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _run("ip", "-n", self.name, "link", "set", device, "up")
            _run(*self.words("iptables", "-L", "-n"))
        except OSError as error:
            raise ServiceMissing(f"Network namespaces are missing: {error}") from error
        except subprocess.CalledProcessError as error:
            raise ServiceMissing(f"Network namespaces are missing: {error.stderr.strip()}") from error

    def remove(self) -> None:
        """Take everything away, and harm nothing if it is not there."""
        for words in (("netns", "delete", self.name), ("link", "delete", self._wire)):
            if shutil.which("ip"):
                subprocess.run(("ip", *words), capture_output=True, check=False)
        shutil.rmtree(self._resolver, ignore_errors=True)

    @property
    def _resolver(self) -> Path:
        return _RESOLVERS / self.name


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


@contextmanager
def several_hosts(count: int) -> Iterator[list[Host]]:
    """Hosts on one switch, where this machine is as well.  Raises ServiceMissing if we may not make them."""
    number = os.getpid() % 5000
    switch = f"sws{number}"
    hosts = [Host(number, place, switch) for place in range(count)]
    for host in hosts:
        host.remove()
    with ExitStack() as stack:
        stack.enter_context(_switch(switch, f"{hosts[0].near}/24"))
        for host in hosts:
            stack.callback(host.remove)
            host.make()
        yield hosts


@contextmanager
def _switch(name: str, address: str) -> Iterator[None]:
    try:
        try:
            _run("ip", "link", "add", name, "type", "bridge")
            _run("ip", "address", "add", address, "dev", name)
            _run("ip", "link", "set", name, "up")
        except FileNotFoundError as error:
            raise ServiceMissing("Network namespaces are missing: there is no `ip`.") from error
        except subprocess.CalledProcessError as error:
            raise ServiceMissing(f"Network namespaces are missing: {error.stderr.strip()}") from error
        yield
    finally:
        if shutil.which("ip"):
            subprocess.run(("ip", "link", "delete", name), capture_output=True, check=False)
