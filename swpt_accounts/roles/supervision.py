"""All roles on one machine, under supervisord: whatever dies is started again.

The configuration of supervisord is made for one run, in a private folder that is removed at
the end.  It has no HTTP server of its own.
"""

import ctypes
import logging
import os
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from supervisor import loggers, supervisord
from supervisor.options import ServerOptions

from swpt_accounts.runtime.settings import Settings
from swpt_accounts.runtime.temporary import temporary_files

STOP_TIMEOUT_SECONDS: Final = 30
"""How long a process may take to finish what it holds, before it is killed."""

# Between fork and exec, a child closes that many files.
_MOST_FILES: Final = 256
_STOPPING: Final = {signal.SIGTERM, signal.SIGINT}
_PR_SET_PDEATHSIG: Final = 1

_logger: Final = logging.getLogger("supervisor")

_CONFIG: Final = """\
[supervisord]
nodaemon=true
silent=true
loglevel=info
logfile=/dev/fd/2
logfile_maxbytes=0
pidfile=%(folder)s/supervisord.pid
childlogdir=%(folder)s
minfds=%(files)d
minprocs=1
"""

# One group, because supervisord stops the programs of a group at the same time.
_GROUP: Final = """
[group:server]
programs=worker,chores,web
"""

_PROGRAM: Final = """
[program:%(name)s]
command=%(command)s
numprocs=%(count)d
process_name=%%(program_name)s_%%(process_num)d
numprocs_start=1
autostart=true
autorestart=true
startsecs=2
startretries=1000000
stopsignal=TERM
stopwaitsecs=%(stop_seconds)d
killasgroup=true
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
stderr_logfile=/dev/fd/2
stderr_logfile_maxbytes=0
"""


def run(settings: Settings) -> int:
    """Run workers, chores and the web server until SIGTERM or SIGINT; then stop them together.

    Raises OperatorError if there is no room for temporary files.
    """
    with _private_folder() as folder, _pipes_for_output():
        if not settings.metrics_folder:
            # For the children, which inherit the environment.
            os.environ["METRICS_FOLDER"] = str(folder / "metrics")
        path = folder / "supervisord.conf"
        with temporary_files():
            path.write_text(configuration(settings, folder))
        _supervise(path)
    return 0


def configuration(settings: Settings, folder: Path) -> str:
    """The configuration file of supervisord, whose own files go to `folder`."""
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _MOST_FILES if hard_limit == resource.RLIM_INFINITY else min(hard_limit, _MOST_FILES)
    counts = {"worker": settings.worker_processes, "chores": 1, "web": 1}
    head = _CONFIG % {"folder": _escaped(str(folder)), "files": files}
    if os.geteuid() == 0:
        # Said on purpose: the container or the machine decides about the user, not supervisord.
        head += "user=root\n"
    return head + _GROUP + "".join(_program(name, count) for name, count in counts.items())


def begin_supervised() -> None:
    """Let a request to stop take effect that has come since this process was forked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


class _InOurLog(loggers.Handler):  # type: ignore[misc]
    """Hands on lines of supervisord, whose levels have the numbers of Python's."""

    def emit(self, record: loggers.LogRecord) -> None:
        """Write one down."""
        _logger.log(record.level, "%s", record.asdict()["message"])

    def close(self) -> None:
        """The log is not ours to close."""

    reopen = remove = close


class _Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """Those of supervisord, which loses a signal for a child that has not begun its program yet.

    The child would still have the handlers of supervisord, forget the signal with them, and be
    killed after the time that it has to stop.  Blocked, the signal waits for the program.
    """

    def make_logger(self) -> None:
        """What supervisord says stands in our log, in its form: LOG_FORMAT is for all of it."""
        self.logger = loggers.getLogger(self.loglevel)
        self.logger.addHandler(_InOurLog())
        for text in self.parse_criticals:
            self.logger.critical(text)
        for text in self.parse_warnings:
            self.logger.warning(text)
        for text in self.parse_infos:
            self.logger.info(text)

    def fork(self) -> int:
        """A child that stops when supervisord is gone, even by `kill -9` in the very next moment.

        As an orphan it would hold its port, and a new start would find it taken.  It hears no request to
        stop before `begin_supervised`.
        """
        prctl, parent = ctypes.CDLL(None).prctl, os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
            return pid
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # It was gone already, so that we hear nothing from the kernel.
            os._exit(1)
        return 0


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A new folder for the files of one run.  Raises OperatorError if there cannot be one."""
    with temporary_files():
        folder = tempfile.TemporaryDirectory(prefix="swpt-accounts-", ignore_cleanup_errors=True)
    with folder as path:
        yield Path(path)


def _supervise(path: Path) -> None:
    options = _Options()
    options.realize(["-c", str(path)], doc=supervisord.__doc__)
    options.first = True
    options.test = False
    supervisord.go(options)
    options.close_logger()


def _program(name: str, count: int) -> str:
    command = shlex.join([sys.executable, "-m", "swpt_accounts", "--supervised", name])
    return _PROGRAM % {
        "name": name,
        "command": _escaped(command),
        "count": count,
        "stop_seconds": STOP_TIMEOUT_SECONDS,
    }


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


@contextmanager
def _pipes_for_output() -> Iterator[None]:
    """Put pipes of our own behind standard output and error, for the time of the context.

    supervisord opens them by name, which the kernel refuses for the sockets of systemd, and for
    files of another user.
    """
    pumps = []
    kept = []
    for target in (1, 2):
        kept.append(os.dup(target))
        # A session of its own, so that Ctrl-C leaves it to say the last words.
        pump = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=target, start_new_session=True)
        assert pump.stdin is not None
        os.dup2(pump.stdin.fileno(), target)
        pump.stdin.close()
        pumps.append(pump)
    try:
        yield
    finally:
        for target, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, target)
            os.close(copy)
        for pump in pumps:
            pump.wait()
