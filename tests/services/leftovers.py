"""Names for what a test run makes on a server, and what to do with those of runs that were killed."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import time
from typing import Final

from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres, stop_leftover

ONE_DAY: Final = 86400.0

# Where pytest keeps the folders of the last tests, and our locks are, whoever runs.
_COMMON: Final = "PYTEST_DEBUG_TEMPROOT"

_PREFIX: Final = "swpt_test"
_NAME: Final = re.compile(rf"{_PREFIX}_(\d+)_(\d+)_\w+", re.ASCII)
_serial = count(1)


def new_name() -> str:
    """A name that no other run uses, for a database, a virtual host or a folder."""
    return f"{_PREFIX}_{int(machine_time())}_{os.getpid()}_{next(_serial)}"


def is_shifted() -> bool:
    """Whether this process sees a clock that faketime has shifted."""
    return "faketime" in os.environ.get("LD_PRELOAD", "")


def machine_time() -> float:
    """Seconds since 1970 by the clock of the machine, also where ours is shifted.

    Who took the names of a shifted clock for old would drop the databases of all others.
    """
    if not is_shifted():
        return time()
    [boot] = re.findall(r"^btime (\d+)$", Path("/proc/stat").read_text(), re.M)
    return float(boot) + float(Path("/proc/uptime").read_text().split()[0])


def on_the_right_clock(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a server or its tools, which may not stand a clock that is shifted."""
    environment = os.environ if environment is None else environment
    return {name: value for name, value in environment.items() if name != "LD_PRELOAD"}


def is_leftover(name: str) -> bool:
    """Whether a run that is surely over has made `name` on a server that others use as well."""
    found = _NAME.fullmatch(name)
    return found is not None and machine_time() - int(found[1]) > ONE_DAY and not _is_alive(int(found[2]))


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def is_made_by(name: str, pid: int) -> bool:
    """Whether the run with this process id has made `name`."""
    found = _NAME.fullmatch(name)
    return found is not None and int(found[2]) == pid


def new_folder() -> Path:
    """A folder for a server of our own: outside home, short enough for a socket's path."""
    folder = Path(tempfile.gettempdir()) / new_name()
    folder.mkdir(mode=0o711)
    return folder


def abandoned_folders() -> list[Path]:
    """The folders of runs on this machine whose process is gone, and those of their servers."""
    found = _abandoned_in(common_folder())
    return [inner for folder in found for inner in folder.glob(f"{_PREFIX}_*")] + found


def _abandoned_in(parent: Path) -> list[Path]:
    found = []
    for folder in parent.glob(f"{_PREFIX}_*"):
        match = _NAME.fullmatch(folder.name)
        if match and folder.stat().st_uid == os.geteuid() and not _is_alive(int(match[2])):
            found.append(folder)
    return found


def common_folder() -> Path:
    """The folder for temporary files that all runs share."""
    return Path(os.environ.get(_COMMON) or tempfile.gettempdir())


@contextmanager
def folder_of_this_run() -> Iterator[Path]:
    """A folder for all temporary files of a run, of the programs that it starts as well.

    It is deleted at the end; what runs have left that were killed is deleted now, and servers that still
    run there are stopped.  The folders that pytest keeps on purpose stay where they are.
    """
    common = common_folder()
    remove_abandoned()
    before, named = tempfile.tempdir, os.environ.get("TMPDIR")
    folder = new_folder()
    os.environ |= {_COMMON: str(common), "TMPDIR": str(folder)}
    tempfile.tempdir = None
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        del os.environ[_COMMON]
        if named is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = named
        remove_folder(folder)


def remove_abandoned() -> None:
    """Delete what runs have left that were killed, after their servers."""
    for folder in _abandoned_in(common_folder()):
        for data in (folder, *folder.glob("*")):
            if (data / "data").is_dir():
                stop_leftover(data)
                EmbeddedPostgres(data).remove()
            if data.is_mount():
                unmount(data)
        remove_folder(folder)


def unmount(folder: Path) -> None:
    """Take a disk away, from whoever still stands in it as well."""
    subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


def remove_folder(folder: Path) -> None:
    """Delete a folder of a stopped server."""
    shutil.rmtree(folder, ignore_errors=True)
