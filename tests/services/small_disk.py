"""A small disk in memory, which a test may fill."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .errors import ServiceMissing
from .leftovers import new_folder, remove_folder, unmount

_PIECE: Final = b"\0" * 65536


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """An empty folder on it.  Raises ServiceMissing if we may not mount one."""
    folder = new_folder()
    try:
        _mount(folder, megabytes)
        try:
            yield folder
        finally:
            unmount(folder)
    finally:
        remove_folder(folder)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Nothing more can be written there, until the end of the context."""
    filling = folder / "filling"
    try:
        with filling.open("wb", buffering=0) as file:
            try:
                while file.write(_PIECE):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        yield
    finally:
        filling.unlink()


def _mount(folder: Path, megabytes: int) -> None:
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "tmpfs", str(folder)]
    try:
        subprocess.run(words, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise ServiceMissing(f"A small disk is missing: {said.strip()}") from error
