"""Packages of Debian that the tests need: installed by root, one at a time."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .errors import ServiceMissing
from .leftovers import common_folder, on_the_right_clock

_POLICY: Final = Path("/usr/sbin/policy-rc.d")
_FORBID_TO_START: Final = (
    "#!/bin/sh\n# Written by the tests of swpt_accounts for the moment of one installation.\nexit 101\n"
)


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """A run may have several processes, and all of them need the packages."""
    with (common_folder() / f"swpt_test_{what}_{os.geteuid()}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """While this holds, packages do not start the services that they bring."""
    # Nobody but root can install anything, or needs this.
    if _POLICY.exists() or os.geteuid() != 0:
        yield
        return
    _POLICY.write_text(_FORBID_TO_START)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def install(package: str, name: str, advice: str) -> None:
    """Install a package that brings `name`.  Raises ServiceMissing with one clear line."""
    if shutil.which("apt-get") is None:
        raise ServiceMissing(f"{name} is missing: {advice}")
    if os.geteuid() != 0:
        raise ServiceMissing(f"{name} is missing: as root, apt-get install {package}")
    print(f"\nInstalling {name} from Debian's package, for the tests ...", flush=True)
    # Only this is locked for all packages: who has one already does not wait for another.
    with one_at_a_time("apt-get"), _nothing_starts():
        _apt_get(name, "update")
        _apt_get(name, "install", "--no-install-recommends", package)


def _apt_get(name: str, *arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", "-qq", "--yes", "-o", "Acquire::Retries=3", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**on_the_right_clock(), "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        last_words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ServiceMissing(f"{name} is missing, and apt-get {arguments[0]} fails: {last_words}")
