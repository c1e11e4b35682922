"""Debian's package of RabbitMQ: whether it is here, and how root gets it."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from .debian import install, one_at_a_time
from .errors import ServiceMissing

_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def require_rabbitmq() -> None:
    """Install the package if it is missing.  Raises ServiceMissing with one clear line."""
    with one_at_a_time("rabbitmq"):
        if not _SERVER.exists():
            _install()


def _install() -> None:
    install("rabbitmq-server", "RabbitMQ", "install it, version 3.10 or later")
    if shutil.which("systemctl") is not None:
        subprocess.run(["systemctl", "disable", "rabbitmq-server"], capture_output=True, check=False)
    if not _SERVER.exists():
        raise ServiceMissing("RabbitMQ is missing, and the package rabbitmq-server does not bring it")
