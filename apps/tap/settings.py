"""Settings of tap alone."""

from house.settings import Reader

from .meeting import ALONE_SECONDS


def alone_seconds(reader: Reader) -> int:
    """TAP_ALONE_SECONDS: how long a half waits for the other one."""
    return reader.integer("TAP_ALONE_SECONDS", ALONE_SECONDS, 1, 86400)
