"""The content header of a message in words, for people who look at a dead letter.

Everything that can be read is shown, however odd it is; nothing raises.  The values fit into JSON.
"""

from collections.abc import Iterator
from math import isfinite
from struct import Struct
from typing import Any, Final

from swpt_accounts.broker.delivery import FORMS, readable

_NAMES: Final = (
    "content_type",
    "content_encoding",
    "headers",
    "delivery_mode",
    "priority",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "timestamp",
    "type",
    "user_id",
    "app_id",
)
"""In the order of `delivery.FORMS`."""

_NUMBERS: Final = {
    kind: Struct(form)
    for kind, form in zip("bBsUuIilLfdT", ("!" + form for form in "bBhhHiIqqfdQ"), strict=True)
}
_DECIMAL: Final = Struct("!Bi")
_DEEPEST: Final = 8
_SHORT, _TABLE, _OCTET = range(3)


class _UnreadableError(Exception):
    """The bytes end early, or are of an unknown kind."""


class _Reader:
    """Takes values from the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise _UnreadableError
        part, self._at = self._data[self._at : end], end
        return part

    def rest(self) -> bytes:
        return self._data[self._at :]

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def short(self) -> str:
        return readable(self.take(self.integer(1)))

    def long(self) -> bytes:
        return self.take(self.integer(4))


def describe(properties: bytes) -> dict[str, Any]:
    """All properties of a content header (flags and values) by their names."""
    reader = _Reader(properties)
    shown: dict[str, Any] = {}
    try:
        flags = reader.integer(2)
        for name, (flag, form) in zip(_NAMES, FORMS, strict=True):
            if flags & flag:
                shown[name] = _value(reader, form)
    except _UnreadableError:
        shown["unreadable"] = reader.rest().hex()
    return shown


def _value(reader: _Reader, form: int) -> Any:
    if form == _SHORT:
        return reader.short()
    if form == _TABLE:
        return _table(reader.long(), _DEEPEST)
    return reader.integer(1 if form == _OCTET else 8)


def _table(data: bytes, depth: int) -> dict[str, Any]:
    reader = _Reader(data)
    shown: dict[str, Any] = {}
    try:
        while reader:
            name = reader.short()
            shown[name] = _field(reader, depth)
    except _UnreadableError:
        shown["unreadable"] = reader.rest().hex()
    return shown


def _array(data: bytes, depth: int) -> Iterator[Any]:
    reader = _Reader(data)
    try:
        while reader:
            yield _field(reader, depth)
    except _UnreadableError:
        yield {"unreadable": reader.rest().hex()}


def _field(reader: _Reader, depth: int) -> Any:
    """A value of a header table, by its kind; timestamps are seconds, as they came."""
    kind = reader.take(1).decode("latin-1")
    if kind in _NUMBERS:
        layout = _NUMBERS[kind]
        (number,) = layout.unpack(reader.take(layout.size))
        return number if isfinite(number) else str(number)
    if kind == "V":
        return None
    if kind == "t":
        return reader.integer(1) != 0
    if kind == "D":
        scale, number = _DECIMAL.unpack(reader.take(_DECIMAL.size))
        return f"{number}e-{scale}"
    if kind not in "SxAF":
        raise _UnreadableError
    data = reader.long()
    if kind == "S":
        return readable(data)
    if kind == "x" or depth == 0:
        return data.hex()
    return _table(data, depth - 1) if kind == "F" else list(_array(data, depth - 1))
