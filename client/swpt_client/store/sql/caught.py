"""Errors of the database that a handler has caught: on PostgreSQL its transaction is aborted all the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

_FIRST_ERROR: Final = "swpt_client_first_error"
_IN_ERROR: Final = 3
"""What libpq calls a transaction that is aborted."""


def remember_errors(engine: Engine) -> None:
    """Let each connection know the first error of its statements within `uncaught_errors`."""
    if not event.contains(engine, "handle_error", _remember):
        event.listen(engine, "handle_error", _remember)


def _remember(context: ExceptionContext) -> None:
    info = {} if context.connection is None else context.connection.info
    if info.get(_FIRST_ERROR, "") is None:
        info[_FIRST_ERROR] = context.sqlalchemy_exception


@contextmanager
def uncaught_errors(connection: Connection) -> Iterator[None]:
    """An error that has aborted the transaction of PostgreSQL comes out, although somebody has caught it.

    Nothing can follow it but the way back to a savepoint.
    """
    info = connection.info
    # A call in a handler has a savepoint within this one.
    around = {key: info[key] for key in (_FIRST_ERROR,) if key in info}
    info[_FIRST_ERROR] = None
    try:
        yield
        if _is_aborted(connection):
            raise info[_FIRST_ERROR] or RuntimeError("somebody has aborted the transaction")
    except Exception as error:
        first = info[_FIRST_ERROR]
        if first is not None and first is not error and _is_aborted(connection):
            raise first from error
        raise
    finally:
        del info[_FIRST_ERROR]
        info.update(around)


def _is_aborted(connection: Connection) -> bool:
    """Both drivers know it without a question; SQLite goes on after an error."""
    info = getattr(connection.connection.dbapi_connection, "info", None)
    return getattr(info, "transaction_status", None) == _IN_ERROR
