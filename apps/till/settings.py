"""The till's own settings."""

from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from house import money
from house.settings import Reader

UNDO_MINUTES: Final = 60


class TillSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts in cents."""

    logout_seconds: int
    """So long a terminal remembers who stands there, without a touch."""
    daily_recharge: int
    """What one person may put into the box within a day."""
    red_below: int
    """A balance below it is red; ≤ 0."""
    undo_minutes: int
    zone: ZoneInfo
    """Where the till stands: its days and months."""


def read_till_settings(reader: Reader) -> TillSettings:
    """Raises SettingsError, which names the variable."""
    return TillSettings(
        logout_seconds=reader.integer("TILL_LOGOUT_SECONDS", 12, 3, 3600),
        daily_recharge=reader.read("TILL_DAILY_RECHARGE", 20_000, money.parse, 'an amount like "200.00"'),
        red_below=-reader.read("TILL_RED_BELOW_MINUS", 1_000, money.parse, 'an amount like "10.00"'),
        undo_minutes=reader.integer("TILL_UNDO_MINUTES", UNDO_MINUTES, 0, 1440),
        zone=reader.read("TILL_TIME_ZONE", ZoneInfo("UTC"), _zone, 'a time zone like "Europe/Sofia"'),
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(name) from error
