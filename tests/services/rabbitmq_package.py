"""Debian's package of RabbitMQ: whether it is here, and how root gets it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .debian import install, one_at_a_time
from .errors import ServiceMissing

_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_POLICY: Final = Path("/usr/sbin/policy-rc.d")
_FORBID_TO_START: Final = (
    "#!/bin/sh\n# Written by the tests of swpt_accounts for the moment of one installation.\nexit 101\n"
)


def require_rabbitmq() -> None:
    """Install the package if it is missing.  Raises ServiceMissing with one clear line."""
    with one_at_a_time("rabbitmq"):
        if not _SERVER.exists():
            _install()


def _install() -> None:
    with _nothing_starts():
        install("rabbitmq-server", "RabbitMQ", "install it, version 3.10 or later")
    if shutil.which("systemctl") is not None:
        subprocess.run(["systemctl", "disable", "rabbitmq-server"], capture_output=True, check=False)
    if not _SERVER.exists():
        raise ServiceMissing("RabbitMQ is missing, and the package rabbitmq-server does not bring it")


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
