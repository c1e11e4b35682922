"""Environment variables: how the text of each kind is read, and which values are allowed.

The functions `seconds`, `whole`, `ratio`, `switch` and `text` declare one variable each, as a
field of a frozen dataclass.  Bounds come in two strengths.  `least`, `most` and `above` keep the
promises of the protocol and can be lifted on a test bench.  `floor` and `ceiling` keep the
program working and always hold.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, Final

REQUIRED: Final = object()

LONGEST_DURATION: Final = 2**31 - 1
"""About 68 years: AccountUpdate shows some durations as int32."""

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_SWITCH: Final = dict.fromkeys(("", "0", "false", "off", "no"), False) | dict.fromkeys(
    ("1", "true", "on", "yes"), True
)


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers from `least` (or from just above `above`) to `most`."""

    least: float | None = None
    above: float | None = None
    most: float | None = None

    def __contains__(self, number: float) -> bool:
        return (
            (self.least is None or number >= self.least)
            and (self.above is None or number > self.above)
            and (self.most is None or number <= self.most)
        )

    def __str__(self) -> str:
        words = []
        if self.least is not None:
            words.append(f"at least {render(self.least)}")
        if self.above is not None:
            words.append(f"greater than {render(self.above)}")
        if self.most is not None:
            words.append(f"at most {render(self.most)}")
        return " and ".join(words)


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One environment variable."""

    default: Any
    meaning: str
    read: Callable[[str], Any]
    """Turns the text into the value; raises ValueError with a sentence on what is allowed."""
    safe: Range = Range()
    hard: Range = Range()
    is_secret: bool = False
    """Whether it is or contains a password; then its text is never shown, neither right nor wrong."""

    def parse(self, content: str) -> Any:
        """The value of the text; raises ValueError that says what is allowed instead."""
        value = self.read(content)
        if isinstance(value, (int, float)) and value not in self.hard:
            raise ValueError(f"must be {self.hard}")
        return value

    def unsafe(self, value: Any) -> str | None:
        """What the value ought to be, if it lies outside the range that the rules allow."""
        if isinstance(value, (int, float)) and value not in self.safe:
            return f"must be {self.safe}"
        return None


def variables(settings: Any) -> dict[str, Variable]:
    """The declared variables of a settings class (or object), by field name, in their order."""
    return {f.name: f.metadata["variable"] for f in fields(settings) if "variable" in f.metadata}


def render(value: Any) -> str:
    """A value as it stands in the environment."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def seconds(
    default: float,
    meaning: str,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    floor: float = 0.0,
    moving: bool = False,
) -> Any:
    """A duration in seconds, whole or fractional; `moving` means it must be greater than 0."""
    hard = Range(above=0.0, most=LONGEST_DURATION) if moving else Range(least=floor, most=LONGEST_DURATION)
    safe = Range(least=least, above=above, most=most)
    return _declare(
        Variable(default=float(default), meaning=meaning, read=read_seconds, safe=safe, hard=hard)
    )


def whole(
    default: int,
    meaning: str,
    *,
    least: int | None = None,
    most: int | None = None,
    floor: int = 0,
    ceiling: int = 2**31 - 1,
) -> Any:
    """A whole number."""
    safe, hard = Range(least=least, most=most), Range(least=floor, most=ceiling)
    return _declare(Variable(default=default, meaning=meaning, read=read_whole, safe=safe, hard=hard))


def ratio(default: float, meaning: str, *, most: float) -> Any:
    """A number above 0, of which `most` is the greatest that the rules allow."""
    safe, hard = Range(above=0.0, most=most), Range(above=0.0, most=1.0)
    return _declare(Variable(default=default, meaning=meaning, read=read_number, safe=safe, hard=hard))


def switch(default: bool, meaning: str) -> Any:
    """Yes or no."""
    return _declare(Variable(default=default, meaning=meaning, read=read_switch))


def text(default: Any, meaning: str, read: Callable[[str], Any], *, secret: bool = False) -> Any:
    """Some text with a form of its own; a secret one is left out when the settings are printed."""
    return _declare(Variable(default=default, meaning=meaning, read=read, is_secret=secret))


def read_number(content: str) -> float:
    """A finite decimal number."""
    if not _NUMBER.fullmatch(content) or not isfinite(float(content)):
        raise ValueError("must be a number, like 0.5")
    return float(content)


def read_seconds(content: str) -> float:
    """A number of seconds."""
    if not _NUMBER.fullmatch(content) or not isfinite(float(content)):
        raise ValueError("must be a number of seconds, whole or fractional, like 60 or 0.5")
    return float(content)


def read_whole(content: str) -> int:
    """A whole number."""
    if not _INTEGER.fullmatch(content):
        raise ValueError("must be a whole number, like 100")
    return int(content)


def read_switch(content: str) -> bool:
    """Yes or no, in one of the nine spellings of rules.md#settings-of-the-server."""
    if content not in _SWITCH:
        raise ValueError("must be one of 1, true, on, yes, or one of 0, false, off, no, or empty")
    return _SWITCH[content]


def one_of(*words: str) -> Callable[[str], str]:
    """A reader that takes one of these words, in small or capital letters."""

    def read(content: str) -> str:
        if content.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return content.lower()

    return read


def _declare(variable: Variable) -> Any:
    metadata, printed = {"variable": variable}, not variable.is_secret
    if variable.default is REQUIRED:
        return field(metadata=metadata, repr=printed)
    return field(default=variable.default, metadata=metadata, repr=printed)
