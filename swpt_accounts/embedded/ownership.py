"""One process owns a folder: two servers on the same data would end each other."""

import fcntl
import os
from pathlib import Path
from typing import IO, Final

from swpt_accounts.runtime.errors import OperatorError

_NAME: Final = "owner"


class Ownership:
    """The lock on a folder; the kernel takes it from a process that dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Make the folder if necessary, and own it.  Raises OperatorError if somebody else does."""
        if self._file is not None:
            return
        self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        file = (self._folder / _NAME).open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "?"
            file.close()
            raise OperatorError(f"process {owner} runs the server in {self._folder}: stop it first") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def give_back(self) -> None:
        """Let others have the folder."""
        if self._file is not None:
            self._file.close()
            self._file = None
