"""What is wrong with one value of a call: the rule that it breaks."""

from typing import Final, TypeAlias

from .limits import MAX_INT32, MAX_INT64, MIN_INT64
from .messages.fields import is_config_data
from .moments import FIRST, LAST

Fault: TypeAlias = tuple[str, str] | None
"""The field, and the rule that it breaks."""

MAX_KEY_CHARACTERS: Final = 200
_LONGEST_TIMEOUT: Final = 1e9


def integer_fault(field: str, value: object, low: int, high: int) -> Fault:
    """Integers; True and 1.0 are none."""
    if type(value) is int and low <= value <= high:
        return None
    return field, f"must be an integer between {low} and {high}"


def id_fault(field: str, value: object) -> Fault:
    """Ids of debtors, creditors and coordinators: int64."""
    if type(value) is int and MIN_INT64 <= value <= MAX_INT64:
        return None
    return integer_fault(field, value, MIN_INT64, MAX_INT64)


def amount_fault(field: str, value: object, low: int = 0) -> Fault:
    """Amounts: int64 from `low` on."""
    return integer_fault(field, value, low, MAX_INT64)


def seconds_fault(field: str, value: object) -> Fault:
    """Durations on the wire: int32, not below 0."""
    return integer_fault(field, value, 0, MAX_INT32)


def timeout_fault(value: object) -> Fault:
    """How long somebody waits: seconds, and never for ever; below 0 is as 0."""
    if type(value) in (int, float) and value < _LONGEST_TIMEOUT:  # type: ignore[operator]
        return None
    return "timeout", f"must be a number of seconds below {_LONGEST_TIMEOUT:.0f}"


def moment_fault(field: str, value: object) -> Fault:
    """Moments: microseconds, see `moments`."""
    return integer_fault(field, value, FIRST, LAST)


def key_fault(key: object) -> Fault:
    """The caller's names of transfers and bundles."""
    if type(key) is not str or not 0 < len(key) <= MAX_KEY_CHARACTERS or not is_config_data(key):
        return "key", f"must be a text of 1 to {MAX_KEY_CHARACTERS} characters, without zeros"
    return None
