"""Packages of Debian that the tests need: installed by root, one at a time."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ServiceMissing
from .leftovers import common_folder, on_the_right_clock


@contextmanager
def one_at_a_time(what: str) -> Iterator[None]:
    """A run may have several processes, and all of them need the packages."""
    with (common_folder() / f"swpt_test_{what}_{os.geteuid()}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(package: str, name: str, advice: str) -> None:
    """Install a package that brings `name`.  Raises ServiceMissing with one clear line."""
    if shutil.which("apt-get") is None:
        raise ServiceMissing(f"{name} is missing: {advice}")
    if os.geteuid() != 0:
        raise ServiceMissing(f"{name} is missing: as root, apt-get install {package}")
    print(f"\nInstalling {name} from Debian's package, for the tests ...", flush=True)
    # Only this is locked for all packages: who has one already does not wait for another.
    with one_at_a_time("apt-get"):
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
