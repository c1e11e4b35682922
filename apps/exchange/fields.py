"""Fields of requests: names of traders, and rates, read strictly."""

import re
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields

from .matching import ONE

_TRADER: Final = re.compile(r"[A-Za-z0-9_.@+-]{1,64}", re.ASCII)
_RATE: Final = re.compile(r"(\d{1,6})(?:\.(\d{1,6}))?", re.ASCII)


class TraderId(fields.Field[str]):
    """The name of a trader."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"type": "string", "pattern": "^[A-Za-z0-9_.@+-]{1,64}$", "example": "ada"}
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        if not isinstance(value, str) or not _TRADER.fullmatch(value):
            raise ValidationError("Must have 1 to 64 letters, digits and characters of _.@+-")
        return value


class Rate(fields.Field[int]):
    """How much is wanted for each unit given: "1.25" outside, 1,250,000 millionths inside.  No floats."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"type": "string", "example": "1.25", "description": "At most six decimals, exact."}
        super().__init__(metadata=metadata, **kwargs)

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else show_rate(value)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        found = _RATE.fullmatch(value) if isinstance(value, str) else None
        rate = 0
        if found is not None:
            units, decimals = found.groups()
            rate = int(units) * ONE + int((decimals or "").ljust(6, "0"))
        if rate == 0:
            raise ValidationError('Must be a text like "1.25", more than 0, with at most six decimals.')
        return rate


def show_rate(rate: int) -> str:
    """A rate as programs write it, without zeros that say nothing."""
    units, rest = divmod(rate, ONE)
    return f"{units}.{rest:06}".rstrip("0").rstrip(".")
