"""A private folder for the time of a demonstration, and the removal of those that were left behind."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from swpt_accounts.runtime.temporary import temporary_files
from swpt_accounts.storage.postgres_from_wheel import stop_leftover

_PREFIX: Final = "swpt-accounts-demo-"
# Whoever holds the lock on this file lives; the kernel takes it from the dead.
_LABEL: Final = "README"
_LABEL_TEXT: Final = """\
Here is the PostgreSQL of a demonstration of swpt_accounts (process {}).
All of it is deleted when the demonstration ends, or when the next one starts.
Messages in flight are not here, but in the memory of that process.
"""
_LONGEST_PARENT: Final = 60
"""Bytes; the path of a socket in the folder must not exceed 107."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder, which is deleted at the end; a server that still runs in it is stopped.

    Raises OperatorError if there cannot be one.
    """
    with temporary_files():
        parent = _parent()
        _remove_abandoned(parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        label = _labelled(folder)
    with label:
        try:
            yield folder
        finally:
            stop_leftover(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _labelled(folder: Path) -> IO[str]:
    """The label of a folder, locked; nobody takes a folder without a label for abandoned."""
    label = (folder / f".{_LABEL}").open("w")
    fcntl.flock(label, fcntl.LOCK_EX)
    label.write(_LABEL_TEXT.format(os.getpid()))
    label.flush()
    (folder / f".{_LABEL}").rename(folder / _LABEL)
    return label


def _parent() -> Path:
    """The usual place for such things, unless it is of no use for a PostgreSQL."""
    for parent in (Path(tempfile.gettempdir()).absolute(), Path("/tmp"), Path("/var/tmp")):  # noqa: S108
        if len(os.fsencode(parent)) <= _LONGEST_PARENT and _can_be_entered(parent):
            return parent
    return Path(tempfile.gettempdir()).absolute()


def _can_be_entered(folder: Path) -> bool:
    """Whether the server can enter the folder; if we are root, it runs as somebody else."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    return os.geteuid() != 0 or all(one.stat().st_mode & stat.S_IXOTH for one in (folder, *folder.parents))


def _remove_abandoned(parent: Path) -> None:
    """Clean up after demonstrations that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                continue
            with (folder / _LABEL).open() as label:
                _remove_if_abandoned(folder, label)
        except OSError:
            continue  # its owner is just removing it


def _remove_if_abandoned(folder: Path, label: IO[str]) -> None:
    try:
        fcntl.flock(label, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    stop_leftover(folder)
    shutil.rmtree(folder, ignore_errors=True)
