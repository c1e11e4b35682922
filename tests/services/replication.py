"""A PostgreSQL and a standby that has every commit before it is answered, from the system's programs."""

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import psycopg2

from .errors import ServiceMissing
from .leftovers import new_folder, on_the_right_clock, remove_folder
from .network import Host
from .ports import free_port

_VERSIONS: Final = Path("/usr/lib/postgresql")
_SERVER_USER_FOR_ROOT: Final = "postgres"
_START_SECONDS: Final = 60.0
_STANDBY: Final = "standby"
_AS_SERVER: Final = (
    "setpriv",
    f"--reuid={_SERVER_USER_FOR_ROOT}",
    f"--regid={_SERVER_USER_FOR_ROOT}",
    "--clear-groups",
)
"""Only root may enter another host, where it has to become somebody else."""

_WHAT: Final = ("all", "replication")


class Instance:
    """One of the servers, on a port of its own of this machine or of another host, by trust."""

    def __init__(self, programs: Path, folder: Path, name: str, host: Host | None = None) -> None:
        self.port = free_port()
        self.address = "127.0.0.1" if host is None else host.far
        self._host = host
        self._programs = programs
        self._folder = folder
        self._data = folder / name
        self._server: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """Where it is, alone."""
        return f"postgresql://postgres@{self.address}:{self.port}/{database}"

    def run(self, program: str, *words: str) -> None:
        """Run a program of PostgreSQL to its end.  Raises ServiceMissing with what it says."""
        done = subprocess.run(
            [self._programs / program, *words],
            cwd=self._folder,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            **_as_user(),
        )
        if done.returncode != 0:
            raise ServiceMissing(f"PostgreSQL with a standby is missing: {program}: {done.stderr.strip()}")

    def make(self) -> None:
        """Make an empty cluster."""
        self.run(
            "initdb", "-D", str(self._data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"
        )
        if self._host is not None:
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.writelines(f"host {what} all {self._host.everybody} trust\n" for what in _WHAT)

    def copy(self, primary: "Instance") -> None:
        """Become a standby of another one, which runs."""
        source = f"host={primary.address} port={primary.port} user=postgres application_name={_STANDBY}"
        self.run("pg_basebackup", "-d", source, "-D", str(self._data), "--write-recovery-conf")

    def follow(self, primary: "Instance") -> None:
        """Become the synchronous standby of another one, and run."""
        self.copy(primary)
        self.start(hot_standby="on")
        primary.rows(f"ALTER SYSTEM SET synchronous_standby_names = '{_STANDBY}'")
        primary.rows("SELECT pg_reload_conf()")
        limit = monotonic() + _START_SECONDS
        while primary.rows("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            if monotonic() > limit:
                raise ServiceMissing("PostgreSQL with a standby is missing: it does not follow")
            sleep(0.05)

    def start(self, **settings: str) -> None:
        """Start it, and wait until it answers."""
        chosen = {
            "port": str(self.port),
            "listen_addresses": self.address,
            "unix_socket_directories": "",
            "max_connections": "200",
            **settings,
        }
        options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
        words = (str(self._programs / "postgres"), "-D", str(self._data), *options)
        with (self._folder / f"{self._data.name}.log").open("ab") as log:
            self._server = subprocess.Popen(
                words if self._host is None else self._host.words(*_AS_SERVER, *words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=_environment(),
                start_new_session=True,
                **(_as_user() if self._host is None else {}),
            )
        limit = monotonic() + _START_SECONDS
        while (why := self._why_not()) is not None:
            if self._server.poll() is not None or monotonic() > limit:
                raise ServiceMissing(f"PostgreSQL with a standby is missing: {why}")
            sleep(0.05)

    def kill(self) -> None:
        """End all its processes as a power failure would; harmless if it does not run."""
        if self._server is not None:
            children = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text().split()
            for pid in (self._server.pid, *map(int, children)):
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue  # it was just ending by itself
            self._server.wait()
            self._server = None

    def promote(self) -> None:
        """Be a primary from now on; returns when it takes writes."""
        self.run("pg_ctl", "promote", "-D", str(self._data), "-w")

    def _why_not(self) -> str | None:
        """Why it does not answer; None if it does."""
        try:
            psycopg2.connect(self.url()).close()
        except psycopg2.OperationalError as error:
            return str(error)
        return None

    def rows(self, query: str) -> list[Any]:
        """What a query finds."""
        connection = psycopg2.connect(self.url())
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


@contextmanager
def one_instance(host: Host, **settings: str) -> Iterator[Instance]:
    """One server on another host.  Raises ServiceMissing."""
    with folder_of_server() as (programs, folder):
        instance = Instance(programs, folder, "alone", host)
        try:
            instance.make()
            instance.start(**settings)
            yield instance
        finally:
            instance.kill()


@contextmanager
def primary_and_standby(hosts: Sequence[Host] = ()) -> Iterator[tuple[Instance, Instance]]:
    """Both run, each on a host of its own if there are some, and no commit is answered that one has alone.

    Raises ServiceMissing.
    """
    with instances("primary", _STANDBY, hosts=hosts) as (primary, standby):
        primary.make()
        primary.start(wal_level="replica", max_wal_senders="4")
        standby.follow(primary)
        yield primary, standby


@contextmanager
def instances(*names: str, hosts: Sequence[Host] = ()) -> Iterator[list[Instance]]:
    """Servers that are still empty; they end with the context.  Raises ServiceMissing."""
    with folder_of_server() as (programs, folder):
        places = hosts or (None,) * len(names)
        made = [Instance(programs, folder, name, place) for name, place in zip(names, places, strict=True)]
        try:
            yield made
        finally:
            for one in reversed(made):
                one.kill()


@contextmanager
def folder_of_server() -> Iterator[tuple[Path, Path]]:
    """The programs of the newest PostgreSQL, and a folder for what they make.  Raises ServiceMissing."""
    found = sorted(_VERSIONS.glob("*/bin/pg_basebackup"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise ServiceMissing("PostgreSQL with a standby is missing: as root, apt-get install postgresql")
    folder = new_folder()
    give_to_server(folder)
    try:
        yield found[-1].parent, folder
    finally:
        remove_folder(folder)


def give_to_server(path: Path) -> None:
    """To the user of the server, if that is another one than ours."""
    if os.geteuid() == 0:
        os.chown(path, pwd.getpwnam(_SERVER_USER_FOR_ROOT).pw_uid, -1)


def _environment() -> dict[str, str]:
    return on_the_right_clock({"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"})


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(_SERVER_USER_FOR_ROOT)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
