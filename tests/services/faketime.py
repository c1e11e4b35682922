"""Debian's faketime, which shifts the clock of a program: whether it is here, and how root gets it in CI."""

import errno
import os
import shutil
import time
from collections.abc import Mapping
from typing import Final

from .debian import install, one_at_a_time
from .errors import ServiceMissing
from .leftovers import is_shifted

_real_sleep: Final = time.sleep


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


def _sleep(seconds: float, /) -> None:
    try:
        _real_sleep(seconds)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def mend_sleep() -> None:
    """On a shifted clock, let nobody fail for a sleep whose end has passed before it begins.

    The library hands on a negative duration then, which the kernel does not take.
    """
    if is_shifted():
        time.sleep = _sleep  # type: ignore[assignment]


def shifted(faketime: str, days: int, environ: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The words before a command whose clock stands so many days ahead, and its environment.

    Clocks that only measure stay as they are: every wait of Python goes by them.
    """
    return (faketime, "-m", "-f", f"{days:+d}d"), {**environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
