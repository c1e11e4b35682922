"""Which version this is, as its distribution says."""

from functools import cache
from importlib import metadata


@cache
def version() -> str:
    """The version; empty if the package was not installed."""
    try:
        return metadata.version("swpt-accounts")
    except metadata.PackageNotFoundError:
        return ""
