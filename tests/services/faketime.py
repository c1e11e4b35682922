"""Debian's faketime, which shifts the clock of a program: whether it is here, and how root gets it in CI."""

import os
import runpy
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from .debian import install, one_at_a_time
from .errors import ServiceMissing
from .leftovers import is_shifted

_SHIFTED: Final = Path(__file__).parent / "shifted"


def require_faketime() -> str:
    """The command.  In CI the package is installed if it is missing.

    Raises ServiceMissing with one clear line.
    """
    with one_at_a_time("faketime"):
        if shutil.which("faketime") is None and os.environ.get("CI") == "true":
            install("faketime", "faketime", "install it")
    found = shutil.which("faketime")
    if found is None:
        raise ServiceMissing("faketime is missing: as root, apt-get install faketime")
    return found


def mend_sleep() -> None:
    """On a shifted clock, let nobody fail for a sleep whose end has passed before it begins.

    Neither this process, nor those that inherit its environment.
    """
    if not is_shifted():
        return
    runpy.run_path(str(_SHIFTED / "sitecustomize.py"))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(_SHIFTED) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_SHIFTED), *paths]))


def shifted(faketime: str, days: int, environ: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The words before a command whose clock stands so many days ahead, and its environment.

    Clocks that only measure stay as they are: every wait of Python goes by them.
    """
    return (faketime, "-m", "-f", f"{days:+d}d"), {**environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class MovedClock:
    """A clock that a test moves while programs run by it; clocks that only measure stay as they are."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self._path = path
        self.environ = {
            **environ,
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.move(0)

    def move(self, hours: int) -> None:
        """Stand so many hours ahead from now on, or behind if it is negative."""
        new = self._path.with_suffix(".new")
        new.write_text(f"{hours:+d}h\n")
        new.replace(self._path)


def moved_clock(path: Path) -> MovedClock:
    """A clock that is right, kept in a file.  Raises ServiceMissing."""
    words = (require_faketime(), "-m", "-f", "+0d", "env")
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    [library] = [line for line in done.stdout.splitlines() if line.startswith("LD_PRELOAD=")]
    return MovedClock(path, {"LD_PRELOAD": library.removeprefix("LD_PRELOAD=")})
