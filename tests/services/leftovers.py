"""Names for what a test run makes on a server, and what to do with those of runs that were killed."""

import os
import re
import shutil
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Final

ONE_DAY: Final = 86400.0

_PREFIX: Final = "swpt_test"
_NAME: Final = re.compile(rf"{_PREFIX}_(\d+)_(\d+)_\w+", re.ASCII)
_serial = count(1)


def new_name() -> str:
    """A name that no other run uses, for a database, a virtual host or a folder."""
    return f"{_PREFIX}_{int(time.time())}_{os.getpid()}_{next(_serial)}"


def is_leftover(name: str) -> bool:
    """Whether a run that is surely over has made `name` on a server that others use as well."""
    found = _NAME.fullmatch(name)
    return found is not None and time.time() - int(found[1]) > ONE_DAY


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
    """The folders of runs on this machine whose process is gone."""
    found = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}_*"):
        match = _NAME.fullmatch(folder.name)
        if match and folder.stat().st_uid == os.geteuid() and not Path(f"/proc/{match[2]}").exists():
            found.append(folder)
    return found


def remove_folder(folder: Path) -> None:
    """Delete a folder of a stopped server."""
    shutil.rmtree(folder, ignore_errors=True)
