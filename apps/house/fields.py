"""Strict fields of requests: exact money, bounded texts, e-mail addresses, numbers of a query."""

import re
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields

from . import money
from .problems import Problem

_EMAIL: Final = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,190}")
_INTEGER: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False}


class Money(fields.Field[int]):
    """An amount: "1.20" outside, 120 inside.  What is none is refused as INVALID_AMOUNT."""

    def __init__(self, *, least: int = 1, most: int = money.MOST_CENTS, **kwargs: Any) -> None:
        kwargs.setdefault("metadata", {"type": "string", "example": "1.20", "description": "A decimal."})
        super().__init__(**kwargs)
        self._least, self._most = least, most

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else money.show(value)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        try:
            return money.parse(value, least=self._least, most=self._most)
        except money.InvalidAmount as error:
            raise Problem("INVALID_AMOUNT", str(error), fields={attr: str(error)}) from None


class Text(fields.Field[str]):
    """A text of `least` to `most` characters, without control characters; blanks around it are not of it."""

    def __init__(self, *, most: int, least: int = 1, **kwargs: Any) -> None:
        kwargs.setdefault("metadata", {"type": "string", "minLength": least, "maxLength": most})
        super().__init__(**kwargs)
        self._least, self._most = least, most

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        text = value.strip() if isinstance(value, str) else ""
        if not (self._least <= len(text) <= self._most and text.isprintable() and isinstance(value, str)):
            raise ValidationError(f"Must be a text of {self._least} to {self._most} printable characters.")
        return text


class Email(Text):
    """An e-mail address, in lower case."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"type": "string", "format": "email", "example": "ada@example.com"}
        super().__init__(most=254, metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).lower()
        if not _EMAIL.fullmatch(text):
            raise ValidationError("Must be an e-mail address.")
        return text


class WrittenInteger(fields.Field[int]):
    """An integer of a query or a form, between two others."""

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        kwargs.setdefault("metadata", {"type": "integer", "minimum": least, "maximum": most})
        super().__init__(**kwargs)
        self._least, self._most = least, most

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        is_written = isinstance(value, str) and _INTEGER.fullmatch(value)
        if not is_written or not self._least <= int(value) <= self._most:
            raise ValidationError(f"Must be an integer between {self._least} and {self._most}.")
        return int(value)


class WrittenFlag(fields.Field[bool]):
    """true or false, of a query."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": "boolean"}, **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> bool:
        if not isinstance(value, str) or value.lower() not in _FLAGS:
            raise ValidationError("Must be true or false.")
        return _FLAGS[value.lower()]
