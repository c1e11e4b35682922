"""Debian's browser: whether it is here, and how root gets it where nothing may be missing."""

import os
import shutil
from typing import Final

from .debian import install, one_at_a_time
from .errors import ServiceMissing

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")


def require_chromium() -> str:
    """The command of the browser.  In CI the package is installed if it is missing.

    Raises ServiceMissing with one clear line.
    """
    with one_at_a_time("chromium"):
        found = _find()
        # It is big: at home nobody gets it without asking for it.
        if found is None and os.environ.get("CI") == "true":
            install("chromium", "Chromium", "install it")
            found = _find()
    if found is None:
        raise ServiceMissing("Chromium is missing: as root, apt-get install chromium")
    return found


def _find() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name)) is not None), None)
