"""Where the numbers of this process are kept: in its memory, or in a folder that several share.

In a folder every process has files of its own, which the web server adds up.  prometheus_client
would name them by process ids: those are the same in many containers, and every restart would leave
files behind.  So a process takes the first free number of its role and holds it by a lock on a file,
which the kernel releases whatever happens to the process.  Its successor goes on with its
numbers, and there are never more files than there were processes at a time.
"""

import fcntl
import os
import sys
from logging import ERROR, Handler, LogRecord, getLogger
from pathlib import Path
from typing import Any, Final

# Far more than the fixed names and labels need.  The disk space is taken at the start: a process that
# writes to a mapped file on a full disk is killed.
FILE_BYTES: Final = 1 << 18

_STANDING: Final = "gauge_max"
_KINDS: Final = ("counter", "histogram", _STANDING)
_MOST_PROCESSES: Final = 1000

_logger: Final = getLogger(__name__)


def begin(folder: str, role: str) -> None:
    """Keep the numbers of this process in the folder; in memory if that is empty, or cannot be used.

    Must come before the first number is made, that is before `metrics` is imported.
    """
    assert "swpt_accounts.runtime.metrics" not in sys.modules, (
        "it is too late to decide where numbers are kept"
    )
    from prometheus_client import values

    library: Any = values
    library.ValueClass = values.MutexValue
    if folder:
        try:
            name = _claim(Path(folder), role)
        except OSError as error:
            _logger.error(  # noqa: TRY400 - the reason is all that there is to say
                "METRICS_FOLDER=%s: %s. The numbers of this process will be missing in /metrics.",
                folder,
                error.strerror,
            )
        else:
            # The one way to set the library; it looks there whenever it makes a number.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            library.ValueClass = library.MultiProcessValue(lambda: name)
    from . import metrics

    metrics.begin_at_zero()
    getLogger().addHandler(_AlarmCounter())


class _AlarmCounter(Handler):
    """Counts alarms where all of them pass, whoever raises them."""

    def __init__(self) -> None:
        super().__init__(ERROR)

    def emit(self, record: LogRecord) -> None:
        from .metrics import ALARMS

        if str(record.msg).startswith("ALARM"):
            ALARMS.inc()


def _claim(folder: Path, role: str) -> str:
    """The name of the files of this process, for as long as it lives.  Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(1, _MOST_PROCESSES + 1):
        name = f"{role}-{number}"
        # Never closed: the lock lives as long as the process.
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        for kind in _KINDS:
            _prepare(folder / f"{kind}_{name}.db")
        return name
    raise OSError(0, f"{_MOST_PROCESSES} processes of the role {role} use it already")


def _prepare(path: Path) -> None:
    """Make sure that the file can be read and has its space; one that a crash has spoilt is made anew."""
    if path.exists():
        if is_readable(path) and path.stat().st_size >= FILE_BYTES:
            return
        _logger.warning("%s cannot be read: its numbers begin at 0 again.", path)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with fresh.open("xb") as file:
        os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
    # Under its name it is complete: the web server may read it at any moment.
    fresh.rename(path)


def longest_standstill(folder: Path) -> float:
    """How long a living process has not got on with some work, in seconds; 0 if all do."""
    from prometheus_client.multiprocess import MultiProcessCollector

    files = [os.fspath(path) for path in folder.glob(f"{_STANDING}_*.db") if is_current(path)]
    merged: Any = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    return max((float(sample.value) for metric in merged for sample in metric.samples), default=0.0)


def is_current(path: Path) -> bool:
    """Whether a file can be read, and is of now: how things stood with a process that is gone does not."""
    if not is_readable(path):
        return False
    kind, _, name = path.stem.rpartition("_")
    return kind != _STANDING or _is_held(path.with_name(f"{name}.lock"))


def _is_held(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def living(folder: Path) -> dict[str, int]:
    """How many processes of each role live; 0 for a role that has been there before."""
    roles: dict[str, int] = {}
    for path in folder.glob("*.lock"):
        role = path.stem.rpartition("-")[0]
        with path.open() as file:
            try:
                # If this comes between, a process that starts takes the next number, which does no harm.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                roles[role] = roles.get(role, 0) + 1
            else:
                roles.setdefault(role, 0)
    return roles


def is_readable(path: Path) -> bool:
    """Whether the numbers in a file can be read."""
    from prometheus_client.mmap_dict import MmapedDict

    try:
        # The library has no types, and raises whatever a spoilt file leads to.
        for _ in MmapedDict.read_all_values_from_file(os.fspath(path)):  # type: ignore[no-untyped-call]
            pass
    except Exception:
        return False
    return True
