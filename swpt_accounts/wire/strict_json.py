"""JSON texts exactly by RFC 8259, read in linear time and without converting their numbers.

The standard parser alone takes NaN, loses how a number was written, lets U+0000 and lone
surrogates through, and dies of deep nesting (protocol.rst#json-form).
"""

import json
import re
from typing import Final, NoReturn

import msgspec


class Integer(msgspec.Struct, frozen=True):
    """A number written without `.` and exponent.  It may have any number of digits."""

    text: str

    def between(self, low: int, high: int) -> int | None:
        """The value, or None if it lies outside of the int64 range from `low` to `high`."""
        # JSON has no leading zeros, so more than 19 digits are out of range unconverted.
        if len(self.text) > 20:
            return None
        value = int(self.text)
        return value if low <= value <= high else None

    def __float__(self) -> float:
        """The nearest binary64 value, maybe infinite.  `-0` is 0, as for all integers."""
        return float(self.text) + 0.0


class Real(msgspec.Struct, frozen=True):
    """A number written with a `.`, or an exponent, or both."""

    text: str

    def __float__(self) -> float:
        """The nearest binary64 value, maybe infinite."""
        return float(self.text)


# An unterminated string reaches to the end; the parser refuses it later.
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS: Final = re.compile(r"[^\[\]{}]++")

_CLEAN_ESCAPES: Final = re.compile(
    rb"""[^\\]*+
    (?:\\(?: [^u]
           | u(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4}
           | u[dD][89abAB][0-9a-fA-F]{2} \\u[dD][c-fC-F][0-9a-fA-F]{2}
         )
       [^\\]*+
    )*+""",
    re.DOTALL | re.VERBOSE,
)


def is_deeper(text: str, levels: int) -> bool:
    """Whether the brackets outside of strings open more than `levels` levels; `text` may be anything."""
    if text.count("[") + text.count("{") <= levels:
        return False
    depth = 0
    for bracket in _NO_BRACKETS.sub("", _STRING.sub("", text)):
        if bracket in "[{":
            depth += 1
            if depth > levels:
                return True
        else:
            depth -= 1
    return False


def has_clean_escapes(body: bytes) -> bool:
    r"""Whether no `\u` escape of a JSON text makes U+0000 or a lone surrogate, wherever it stands."""
    # Looking for one byte is many times faster than looking for two.
    return b"\\" not in body or b"\\u" not in body or _CLEAN_ESCAPES.fullmatch(body) is not None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder: Final = json.JSONDecoder(parse_int=Integer, parse_float=Real, parse_constant=_refuse_constant)


def parse(text: str) -> object:
    """Read one JSON text; the caller has made sure that it is not deep.

    Numbers are given as `Integer` and `Real`, everything else as usual; of a repeated
    member the last one counts.  Raises ValueError for what is not JSON, and for a
    string that holds U+0000 or a surrogate; its text never shows strings of the document.
    """
    try:
        document = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} (character {error.pos})") from None
    try:
        body = text.encode()
    except UnicodeEncodeError:
        raise ValueError("a string holds a surrogate") from None
    if not has_clean_escapes(body):
        raise ValueError("a string holds U+0000 or a lone surrogate")
    return document
