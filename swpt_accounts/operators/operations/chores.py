"""Chores for operators: done now, whether their period is over or not."""

from typing import Any, Final

from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.moments import Moment

from .conflicts import transact
from .orders import Order

_REQUEST: Final = "UPDATE chore SET requested_at = %(now)s WHERE name = %(name)s"
_NAMES: Final = "SELECT name FROM chore ORDER BY name"


def request_chore(connection: Any, name: str, *, order: Order) -> Moment:
    """Ask the process of the chores to do this one soon; the wish survives whatever process dies.

    Returns the moment of the wish.
    """

    def request(cursor: Any) -> Moment:
        now = order.write_down(cursor, "chores run", f"chore {name}")
        cursor.execute(_REQUEST, {"name": name, "now": now})
        if cursor.rowcount != 1:
            cursor.execute(_NAMES)
            names = ", ".join(row[0] for row in cursor.fetchall()) or "none, because they have never run"
            raise OperatorError(f"there is no chore {name!r}; there are: {names}")
        return now

    return transact(connection, request)
