"""Whose fault an error is, by its class (rules.md#failures)."""

from enum import Enum, auto
from typing import Final

import psycopg2

from .prepared import StalePlanError


class BatchConflictError(Exception):
    """Another worker changed the picture while a batch was worked on: nobody's fault, try again."""


class Fault(Enum):
    """What has to happen after an error."""

    CONFLICT = auto()
    """Another transaction was in the way: try again at once."""

    OUTAGE = auto()
    """The database is away or unable: back off, hold the messages, blame none of them."""

    LOCK = auto()
    """Another transaction has kept a lock for too long: try again, and say so."""

    MESSAGE = auto()
    """A message of the batch, or a bug that it has met: find it and isolate it."""


# Connection, authorization, catalog, schema, resources, limits, state, operator, system.
_INFRASTRUCTURE: Final = frozenset({"08", "25", "28", "3D", "42", "53", "54", "55", "57", "58"})
_LOCK_NOT_AVAILABLE: Final = "55P03"
_CONFLICTS: Final = frozenset({"40001", "40P01"})
# Two workers create the same row: the loser sees it when it tries again.
_RACES: Final = frozenset({"account_pkey", "debtor_info_content", "registered_balance_change_pkey"})


def fault_of(error: BaseException) -> Fault:
    """Classify an error that came out of a transaction."""
    if isinstance(error, BatchConflictError | StalePlanError):
        return Fault.CONFLICT
    if not isinstance(error, psycopg2.Error):
        return Fault.MESSAGE
    code = error.pgcode
    if code is None:
        return Fault.OUTAGE if has_lost_connection(error) else Fault.MESSAGE
    if code in _CONFLICTS or (code == "23505" and error.diag.constraint_name in _RACES):
        return Fault.CONFLICT
    if code == _LOCK_NOT_AVAILABLE:
        return Fault.LOCK
    if code[:2] in _INFRASTRUCTURE or _misses_partition(error):
        return Fault.OUTAGE
    return Fault.MESSAGE


def has_lost_connection(error: BaseException) -> bool:
    """Whether the connection is gone, or could not be made.

    Of a server that was stopped at once the driver says so by the plain class, and no subclass.
    """
    is_lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
    return is_lost or type(error) is psycopg2.DatabaseError


def is_refusal(error: BaseException) -> bool:
    """Whether the database is there, and refuses this one thing: a right, a table or a partition is missing,
    or a row is in the way.  To wait does not help, and nothing else has to wait.
    """
    if not isinstance(error, psycopg2.Error) or error.pgcode is None:
        return False
    return error.pgcode[:2] == "42" or _misses_partition(error)


def _misses_partition(error: psycopg2.Error) -> bool:
    return error.pgcode == "23514" and not error.diag.constraint_name
