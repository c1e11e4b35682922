"""Errors of the database that a handler has caught: on PostgreSQL its transaction is aborted all the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

_ERRORS: Final = "swpt_client_errors"
_IN_ERROR: Final = 3
"""What libpq calls a transaction that is aborted."""


def remember_errors(engine: Engine) -> None:
    """Let each connection know the errors of its statements within `uncaught_errors`."""
    if not event.contains(engine, "handle_error", _remember):
        event.listen(engine, "handle_error", _remember)


def _remember(context: ExceptionContext) -> None:
    errors = None if context.connection is None else context.connection.info.get(_ERRORS)
    if errors is not None and context.sqlalchemy_exception is not None:
        errors.append(context.sqlalchemy_exception)


@contextmanager
def uncaught_errors(connection: Connection) -> Iterator[None]:
    """An error that has aborted the transaction of PostgreSQL comes out, although somebody has caught it.

    Nothing can follow it but the way back to a savepoint.
    """
    # A call in a handler has a savepoint within this one.
    around = connection.info.get(_ERRORS)
    errors: list[BaseException] = []
    info = connection.info
    info[_ERRORS] = errors
    try:
        yield
        if _is_aborted(connection):
            raise errors[0] if errors else RuntimeError("somebody has aborted the transaction")
    except Exception as error:
        if errors and errors[0] is not error and _is_aborted(connection):
            raise errors[0] from error
        raise
    finally:
        # None: as if it were not there; a connection that is made anew has forgotten it in any case.
        info[_ERRORS] = around


def _is_aborted(connection: Connection) -> bool:
    """Whether it is aborted or lost.  Both drivers know without a question; SQLite goes on after an error."""
    if connection.invalidated:
        return True
    info = getattr(connection.connection.dbapi_connection, "info", None)
    return getattr(info, "transaction_status", None) == _IN_ERROR
