"""Waiting for something that a running program does by itself."""

import time
from collections.abc import Callable
from typing import Final

PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05


def wait_until(is_so: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for it, and no longer than needed."""
    limit = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(_LOOK_SECONDS)
