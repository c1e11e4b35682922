"""Statements that a connection plans once: prepared at their first use there, then only executed.

A batch of one message has ten statements, and to plan one takes up to four times as long as to execute
it.  The statements live as long as the connection, across its transactions; so nothing may stand in between
that shares sessions.

A plan that was made while a table was empty may take any index, and be a disaster when the table has grown.
So plans are kept for a second only.  PostgreSQL makes them anew by itself when tables get indexes, columns
or partitions; only when a migration changes the type of a column that a statement answers with, it refuses.
Then all are prepared again.
"""

import re
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg2 import errors

_PARAMETER: Final = re.compile(r"%s::(\w+(?:\[\])?)")
_PLANS_LAST_SECONDS: Final = 1.0


class StalePlanError(Exception):
    """The tables have changed under a prepared statement: nobody's fault, try the transaction again."""


class _Plans:
    """What is prepared on a connection."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.are_stale = False
        self.expire_at = monotonic() + _PLANS_LAST_SECONDS

    def refresh(self, cursor: Any) -> None:
        """Forget what is out of date."""
        if self.are_stale:
            cursor.execute("DEALLOCATE ALL")
            self.names.clear()
            self.are_stale = False
        elif monotonic() > self.expire_at:
            cursor.execute("DISCARD PLANS")
            self.expire_at = monotonic() + _PLANS_LAST_SECONDS


_plans: Final[WeakKeyDictionary[Any, _Plans]] = WeakKeyDictionary()


class Statement:
    """A statement with a name; each of its parameters stands in the text as `%s` with its type."""

    def __init__(self, name: str, text: str) -> None:
        types: list[str] = []

        def numbered(match: re.Match[str]) -> str:
            types.append(match[1])
            return f"${len(types)}::{match[1]}"

        body = _PARAMETER.sub(numbered, text)
        self.name = name
        self._prepare = f"PREPARE {name} ({', '.join(types)}) AS {body}"
        self._execute = f"EXECUTE {name} ({', '.join(['%s'] * len(types))})"

    def run(self, cursor: Any, parameters: Sequence[object]) -> None:
        """Execute the statement; the results are read off the cursor.

        Raises StalePlanError if it has to be prepared again, which happens by itself the next time.
        """
        plans = _plans.get(cursor.connection)
        if plans is None:
            plans = _plans[cursor.connection] = _Plans()
        plans.refresh(cursor)
        is_new = self.name not in plans.names
        if is_new:
            cursor.execute(self._prepare)
            plans.names.add(self.name)
        try:
            cursor.execute(self._execute, parameters)
        except (errors.FeatureNotSupported, errors.InvalidSqlStatementName) as error:
            # "Cached plan must not change result type", or somebody has discarded our statements.
            if is_new:
                raise  # Neither: to try again would be endless.
            plans.are_stale = True
            raise StalePlanError(str(error)) from error
