"""A RabbitMQ node of our own, from Debian's package, on free ports and in a folder of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from .errors import ServiceMissing
from .leftovers import abandoned_folders, on_the_right_clock, remove_folder
from .network import Host
from .ports import free_port

_PROGRAMS: Final = Path("/usr/lib/rabbitmq/bin")
"""Debian's `/usr/sbin/rabbitmq-server` would turn into another user, and use the system's folders."""

_START_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1
_CONFIGURATION: Final = """\
listeners.tcp.local = {address}:{port}
loopback_users = none
default_user = guest
default_pass = guest
log.console = false
log.file.level = warning
disk_free_limit.absolute = 50MB
"""

_ELSEWHERE: Final = "listeners.tcp.near = {near}:{port}\n"

_AMONG_HOSTS: Final = """\
cluster_partition_handling = pause_minority
net_ticktime = 10
"""
"""As docs/running/availability.md tells operators."""

_EMPTY: Final = """\
rabbit_vhost:delete(<<"/">>, <<"tests">>),
rabbit_vhost:add(<<"/">>, <<"tests">>),
rabbit_auth_backend_internal:set_permissions(
    <<"guest">>, <<"/">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>
).
"""
"""A virtual host goes with all that is in it, policies as well; one command instead of three."""

CONTROL: Final = "TEST_BROKER_CONTROL"
"""Where a run of several processes tells them how to steer the node that they share: JSON."""


class CommandFailed(Exception):
    """rabbitmqctl ended with an error; the text is what it said."""


class Rabbitmqctl:
    """Runs rabbitmqctl for one node: `rabbitmqctl("list_queues", "-p", vhost)` returns what it prints."""

    def __init__(self, *program: str | Path, environment: Mapping[str, str] | None = None) -> None:
        self._program = program
        self._environment = None if environment is None else dict(environment)

    def __call__(self, *arguments: str) -> str:
        """What the command prints.  Raises CommandFailed."""
        try:
            done = subprocess.run(
                [*self._program, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=150,
                check=False,
                env=on_the_right_clock(self._environment),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandFailed(str(error)) from error
        if done.returncode != 0:
            raise CommandFailed((done.stderr or done.stdout).strip())
        return done.stdout


def system_rabbitmqctl() -> Rabbitmqctl:
    """The rabbitmqctl of the broker that is named or runs here.  Raises ServiceMissing if there is none."""
    if control := os.environ.get(CONTROL):
        return Rabbitmqctl(_PROGRAMS / "rabbitmqctl", environment=json.loads(control))
    program = shutil.which("rabbitmqctl", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        raise ServiceMissing("there is no rabbitmqctl on this machine")
    return Rabbitmqctl(program)


class RabbitmqNode:
    """A broker in `folder`: its own ports, node name, cookie and port mapper, no plugins.

    One that is to join `other` has the cookie of that, and its port mapper, unless it is on another host.
    `near` is another address of this machine, at which it is found as well.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "swpt_test",
        other: "RabbitmqNode | None" = None,
        host: Host | None = None,
        near: str = "",
    ) -> None:
        self.folder = folder
        self._near = near
        self._host = host
        self._address = "127.0.0.1" if host is None else host.far
        self.name = f"{name}@{'localhost' if host is None else host.far}"
        self.port, self._distribution_port, self._mapper_port = (free_port() for _ in range(3))
        self._home: Path = folder / "home" if other is None else other._home
        if other is not None:
            self._mapper_port = other._mapper_port
        self._node: subprocess.Popen[bytes] | None = None
        self._environment = self._describe()
        self.rabbitmqctl = Rabbitmqctl(*self._there(_PROGRAMS / "rabbitmqctl"), environment=self._environment)
        self.control = json.dumps(self._environment)

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"amqp://guest:guest@{self._address}:{self.port}"

    def start(self) -> None:
        """Start the node and wait until it takes connections.  Raises ServiceMissing if it does not."""
        self._home.mkdir(exist_ok=True)
        configuration = _CONFIGURATION.format(address=self._address, port=self.port)
        if self._near:
            configuration += _ELSEWHERE.format(near=self._near, port=self.port)
        (self.folder / "rabbitmq.conf").write_text(
            configuration if self._host is None else configuration + _AMONG_HOSTS
        )
        (self.folder / "enabled_plugins").write_text("[].\n")
        with (self.folder / "output").open("ab") as output:
            self._node = subprocess.Popen(
                self._there(_PROGRAMS / "rabbitmq-server"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for us; we stop the node when we are ready
            )
        (self.folder / "session").write_text(str(self._node.pid))
        limit = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._node.poll() is not None or time.monotonic() > limit:
                said = (self.folder / "output").read_text(errors="replace").strip()
                self.kill()
                raise ServiceMissing(f"RabbitMQ does not start: {said[-1000:]}")
            time.sleep(_POLL_SECONDS)

    def join(self, other: "RabbitmqNode") -> None:
        """Become a member of the cluster of another node; what this one had is forgotten."""
        for words in (("stop_app",), ("reset",), ("join_cluster", other.name), ("start_app",)):
            self.rabbitmqctl(*words)

    def stop(self) -> None:
        """Stop the node as an operator would.  Harmless if it does not run."""
        if self._node is not None:
            self._node.terminate()
            try:
                self._node.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            self.kill()

    def kill(self) -> None:
        """End the node as a power failure would."""
        if self._node is not None:
            _kill_session(self._node.pid)
            self._node.wait()
            self._node = None

    def make_empty(self) -> None:
        """Start the node unless it runs, and forget whatever is declared in it."""
        if self._node is None:
            self.start()
        self.rabbitmqctl("eval", _EMPTY)

    def remove(self) -> None:
        """Stop the node and its port mapper, and delete the folder."""
        self.stop()
        self._stop_port_mapper()
        remove_folder(self.folder)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self._address, self.port), timeout=5) as connection:
                # While the node starts, it takes connections that it does not serve yet.
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def _there(self, *words: str | Path) -> Sequence[str | Path]:
        """The command that runs `words` on the host of this node."""
        return words if self._host is None else self._host.words(*map(str, words))

    def _stop_port_mapper(self) -> None:
        program = shutil.which("epmd")
        if program is not None:
            words = self._there(program, "-kill")
            subprocess.run(words, env=self._environment, capture_output=True, check=False)

    def _describe(self) -> dict[str, str]:
        local = f"-kernel inet_dist_use_interface {{{self._address.replace('.', ',')}}}"
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self._home),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_USE_LONGNAME": "false" if self._host is None else "true",
            "RABBITMQ_BASE": str(self.folder),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": local,
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": self._address,
        }


def remove_abandoned_nodes() -> None:
    """Stop and delete the nodes of runs that were killed."""
    for folder in abandoned_folders():
        if (folder / "session").is_file():
            _kill_session(int((folder / "session").read_text()), mentioning=str(folder))
            remove_folder(folder)


def _kill_session(leader: int, mentioning: str = "") -> None:
    """Kill the processes of a session, and wait until they are dead: they hold ports.

    The number may belong to somebody else by now, so the words of the commands count as well.
    """
    limit = time.monotonic() + _STOP_SECONDS
    while (members := _session(leader, mentioning)) and time.monotonic() < limit:
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_POLL_SECONDS)


def _session(leader: int, mentioning: str) -> list[int]:
    """The processes of a session that still run."""
    members = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == leader:
                # The dead, whom nobody has asked for yet, have no command line.
                command = (entry / "cmdline").read_text(errors="replace")
                if command and mentioning in command:
                    members.append(int(entry.name))
        except OSError:
            continue
    return members
