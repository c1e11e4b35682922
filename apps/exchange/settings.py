"""Settings of the exchange alone."""

from typing import Final

from house.settings import Reader

_LEAST_REPAIR_SECONDS: Final = 5
"""To pay back what has moved takes time as well, and has as much of it."""


def decide_seconds(reader: Reader) -> int:
    """EXCHANGE_DECIDE_SECONDS: how long the legs of a trade may take to be prepared."""
    return reader.integer("EXCHANGE_DECIDE_SECONDS", 30, 1, 86400)


def repair_seconds(reader: Reader) -> int:
    """EXCHANGE_REPAIR_SECONDS: how long legs that failed after the decision are tried again."""
    return reader.integer("EXCHANGE_REPAIR_SECONDS", 7 * 86400, _LEAST_REPAIR_SECONDS, 365 * 86400)


def check(reader: Reader) -> None:
    """Say at the start what is wrong.  Raises SettingsError."""
    decide_seconds(reader)
    repair_seconds(reader)
