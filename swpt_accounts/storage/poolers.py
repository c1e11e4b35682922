"""A pooler between us and PostgreSQL: it must give each of our connections a session of its own."""

from typing import Any, Final

from swpt_accounts.runtime.errors import OperatorError

from .connections import Connection, session

_ATTEMPTS: Final = 5


def refuse_shared_sessions(url: str, connection: Connection) -> None:
    """Raises OperatorError if the transactions of this new connection are not all of one session.

    A session keeps our settings, our prepared statements, and the lock that says who lives: others would get
    them.  Where no pooler is, this costs one question.
    """
    number = _session_number(connection)
    if number == connection.get_backend_pid():
        return
    # Who is in a transaction has a session for himself, and is given the one that was used last.
    with session(url, "swpt_accounts start") as other, other.cursor() as cursor:
        cursor.execute("SELECT 1")
        if any(_session_number(connection) != number for _ in range(_ATTEMPTS)):
            raise OperatorError(
                "POSTGRES_URL leads to a pooler that gives each transaction another session: it must lead to"
                " one with `pool_mode = session`"
            )


def _session_number(connection: Connection) -> Any:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]
