"""Fields of requests and answers: exact numbers, ids both ways, moments, and texts that a database takes.

Numbers of 64 bits travel as texts in JSON: browsers would round them.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields

from swpt_accounts.wire.moments import T0, parse_timestamp, render_timestamp
from swpt_accounts.wire.numbers import MAX_INT64, MAX_UINT64, MIN_INT64, i64, u64

_INTEGER: Final = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_AS_SHOWN: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

ID_PATTERN: Final = "^-?[0-9]{1,20}$"


def read_id(text: str) -> int:
    """An id, signed or unsigned, as int64; raises ValueError that says what is expected."""
    number = int(text) if _INTEGER.fullmatch(text) else MAX_UINT64 + 1
    if not MIN_INT64 <= number <= MAX_UINT64:
        raise ValueError(
            f"must be an id: a whole number from {MIN_INT64} to {MAX_INT64}, or the same unsigned, up to"
            f" {MAX_UINT64}"
        )
    return i64(number)


class _Field(fields.Field[Any]):
    """What our fields share: they say in OpenAPI what they are."""

    openapi: ClassVar[Mapping[str, Any]] = {"type": "string"}

    def __init__(self, **options: Any) -> None:
        metadata = {**self.openapi, **options.pop("metadata", {})}
        super().__init__(**options, metadata=metadata)


class Int64(_Field):
    """A signed number of 64 bits (or a longer sum), as text."""

    openapi: ClassVar = {"type": "string", "pattern": "^-?[0-9]+$"}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(value)


class UnsignedId(_Field):
    """An id as URLs and `account_id` write it, as text."""

    openapi: ClassVar = {"type": "string", "pattern": "^[0-9]+$"}

    def __init__(self, **options: Any) -> None:
        super().__init__(dump_only=True, **options)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(u64(value))


class Moment(_Field):
    """A moment, as messages write it; the T0 of those that mean none is null if `t0_is_none`."""

    openapi: ClassVar = {"type": "string", "format": "date-time"}

    def __init__(self, *, t0_is_none: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._t0_is_none = t0_is_none

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None or (self._t0_is_none and value == T0):
            return None
        return render_timestamp(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        try:
            return parse_timestamp(value)
        except (TypeError, ValueError):
            raise ValidationError("must be a moment, like 2026-11-21T10:00:00Z") from None


class WrittenId(_Field):
    """An id in a request, signed or unsigned."""

    openapi: ClassVar = {"type": "string", "pattern": ID_PATTERN}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        try:
            return read_id(value)
        except (TypeError, ValueError):
            raise ValidationError(
                f"must be an id: a whole number from {MIN_INT64} to {MAX_INT64}, or the same unsigned, up to"
                f" {MAX_UINT64}"
            ) from None


class WrittenInteger(_Field):
    """A whole number in a query string."""

    def __init__(self, *, least: int, most: int, **options: Any) -> None:
        metadata = {"type": "integer", "minimum": least, "maximum": most}
        super().__init__(**options, metadata=metadata)
        self._least, self._most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        is_number = isinstance(value, str) and _INTEGER.fullmatch(value) is not None
        if not is_number or not self._least <= int(value) <= self._most:
            raise ValidationError(f"must be a whole number from {self._least} to {self._most}")
        return int(value)


class JsonInteger(_Field):
    """A whole number in a body, also as text, as our answers show it; no fraction, no truth value."""

    def __init__(self, *, least: int, most: int, **options: Any) -> None:
        number = {"type": "integer", "minimum": least, "maximum": most}
        text = {"type": "string", "pattern": f"^{_AS_SHOWN.pattern}$"}
        super().__init__(**options, metadata={"oneOf": [number, text]})
        self._least, self._most = least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, str) and _AS_SHOWN.fullmatch(value) is not None:
            value = int(value)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number or not self._least <= value <= self._most:
            raise ValidationError(f"must be a whole number from {self._least} to {self._most}")
        return int(value)


class Text(_Field):
    """A text that a database takes, of limited length."""

    def __init__(self, *, least: int = 0, most: int, **options: Any) -> None:
        metadata = {"minLength": least, "maxLength": most, **options.pop("metadata", {})}
        super().__init__(**options, metadata=metadata)
        self._least, self._most = least, most

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return value

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if (
            not isinstance(value, str)
            or not self._least <= len(value.strip() if self._least else value)
            or len(value) > self._most
            or _UNSTORABLE.search(value)
        ):
            raise ValidationError(
                f"must be a text of {self._least} to {self._most} characters, without U+0000"
            )
        return value


class Choice(_Field):
    """One of some words."""

    def __init__(self, *words: str, **options: Any) -> None:
        super().__init__(**options, metadata={"enum": list(words)})
        self._words = words

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if value not in self._words:
            raise ValidationError(f"must be one of {', '.join(self._words)}")
        return str(value)
