"""Debian's nginx with its JavaScript: whether it is here, and how root gets it in CI."""

import os
import shutil
from pathlib import Path

from .debian import install, one_at_a_time
from .errors import ServiceMissing

_MODULE = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")
_PACKAGES = ("nginx-light", "libnginx-mod-http-js")


def require_nginx() -> str:
    """The command of nginx.  In CI the packages are installed if they are missing.

    Raises ServiceMissing with one clear line.
    """
    with one_at_a_time("nginx"):
        if _find() is None and os.environ.get("CI") == "true":
            for package in _PACKAGES:
                install(package, "nginx", "install it")
        found = _find()
    if found is None:
        raise ServiceMissing(f"nginx is missing: as root, apt-get install {' '.join(_PACKAGES)}")
    return found


def _find() -> str | None:
    # Users do not have the commands of the administrator in their paths.
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return shutil.which("nginx", path=path) if _MODULE.is_file() else None
