"""Fields of requests: names of users and keys of taps, read strictly."""

import re
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields

_USER: Final = re.compile(r"[A-Za-z0-9_.@+-]{1,64}", re.ASCII)
_KEY: Final = re.compile(r"[A-Za-z0-9_.:-]{16,100}", re.ASCII)
_MOST: Final = 2**63 - 1


class UserId(fields.Field[str]):
    """The name or number of a user; 7 and "7" are the same."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "type": "string",
            "pattern": "^[A-Za-z0-9_.@+-]{1,64}$",
            "example": "7",
            "description": 'A name or a number; 7 is "7".',
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return str(value)
        if not isinstance(value, str) or not _USER.fullmatch(value):
            raise ValidationError("Must have 1 to 64 letters, digits and characters of _.@+-")
        return value


class TapKey(fields.Field[str]):
    """What the phones have made for this one payment; who could guess it could take the money."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "type": "string",
            "pattern": "^[A-Za-z0-9_.:-]{16,100}$",
            "example": "0b9c1d6a4e9f4a0f8f5e",
            "description": "Random, and used once.",
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        if not isinstance(value, str) or not _KEY.fullmatch(value):
            raise ValidationError("Must be random, of 16 to 100 letters, digits and characters of _.:-")
        return value
