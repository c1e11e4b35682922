"""Debian's package of RabbitMQ: whether it is here, and how root gets it."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .errors import ServiceMissing

_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_POLICY: Final = Path("/usr/sbin/policy-rc.d")
_FORBID_TO_START: Final = (
    "#!/bin/sh\n# Written by the tests of swpt_accounts for the moment of one installation.\nexit 101\n"
)


def require_rabbitmq() -> None:
    """Install the package if it is missing.  Raises ServiceMissing with one clear line."""
    with _one_at_a_time():
        if not _SERVER.exists():
            _install()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """A run may have several processes, and all of them need the package."""
    with (Path(tempfile.gettempdir()) / f"swpt_test_package_{os.geteuid()}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install() -> None:
    if shutil.which("apt-get") is None:
        raise ServiceMissing("RabbitMQ is missing: install it, version 3.10 or later")
    if os.geteuid() != 0:
        raise ServiceMissing("RabbitMQ is missing: as root, apt-get install rabbitmq-server")
    print("\nInstalling RabbitMQ from Debian's package, for the tests ...", flush=True)
    with _nothing_starts():
        _apt_get("update")
        _apt_get("install", "--no-install-recommends", "rabbitmq-server")
    if shutil.which("systemctl") is not None:
        subprocess.run(["systemctl", "disable", "rabbitmq-server"], capture_output=True, check=False)
    if not _SERVER.exists():
        raise ServiceMissing("RabbitMQ is missing, and the package rabbitmq-server does not bring it")


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """While this holds, packages do not start the services that they bring."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_FORBID_TO_START)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _apt_get(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", "-qq", "--yes", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        last_words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ServiceMissing(f"RabbitMQ is missing, and apt-get {arguments[0]} fails: {last_words}")
