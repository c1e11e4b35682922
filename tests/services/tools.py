"""Tools that read files for deployment: whether they are here, and how root gets them in CI."""

import os
import shutil
from typing import Final

from .debian import install, one_at_a_time
from .errors import ServiceMissing

_PACKAGES: Final = {"promtool": "prometheus", "systemd-analyze": "systemd"}


def require_tool(name: str) -> str:
    """The path of `promtool` or `systemd-analyze`.  In CI the package is installed if it is missing.

    Raises ServiceMissing with one clear line.
    """
    package = _PACKAGES[name]
    with one_at_a_time(package):
        if shutil.which(name) is None and os.environ.get("CI") == "true":
            install(package, name, "install it")
    found = shutil.which(name)
    if found is None:
        raise ServiceMissing(f"{name} is missing: as root, apt-get install {package}")
    return found
