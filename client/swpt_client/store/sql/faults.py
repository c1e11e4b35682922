"""Whose fault an exception of the database is: a conflict's, the surroundings', or somebody's program."""

from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_CONFLICTS: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available."""
_SURROUNDINGS: Final = ("08", "25", "28", "3D", "53", "54", "55", "57", "58", "XX")
"""Classes of SQLSTATE: connection, transaction state, authorization, resources, operator, system."""
_ABORTED: Final = "25P02"
"""Somebody has caught the error of a statement, and gone on."""
_LITE_CONFLICTS: Final = frozenset({5, 6})
"""SQLite's BUSY and LOCKED."""
_LITE_ERROR: Final = 1
"""SQLite's word for a statement that is wrong, or names what is not there."""


def _state_of(error: DBAPIError) -> str:
    original = error.orig
    return getattr(original, "pgcode", None) or getattr(original, "sqlstate", None) or ""


def _lite_code(error: DBAPIError) -> int | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction stood in the way, so that the same may succeed if it is tried again."""
    if not isinstance(error, DBAPIError):
        return False
    return _state_of(error) in _CONFLICTS or _lite_code(error) in _LITE_CONFLICTS


def is_away(error: BaseException) -> bool:
    """Whether the database cannot be reached, or cannot work."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError) or isinstance(error, IntegrityError):
        return False
    if error.connection_invalidated:
        return True
    state = _state_of(error)
    if state:
        return state.startswith(_SURROUNDINGS) and state != _ABORTED
    return isinstance(error, OperationalError | InterfaceError) and _lite_code(error) != _LITE_ERROR


def is_unfit(error: BaseException) -> bool:
    """Whether a statement of ours finds no table or column, or may not use it."""
    if not isinstance(error, DBAPIError):
        return False
    return _state_of(error).startswith("42") or _lite_code(error) == _LITE_ERROR
