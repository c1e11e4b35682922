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
from typing import Any, Final, NoReturn
from weakref import WeakKeyDictionary

import psycopg2
from psycopg2 import errors

STALE_PLAN_ERRORS: Final = (errors.FeatureNotSupported, errors.InvalidSqlStatementName)
"""`Cached plan must not change result type`, or somebody has discarded our statements."""

_PARAMETER: Final = re.compile(r"%s::(\w+(?:\[\])?)")
_PLANS_LAST_SECONDS: Final = 1.0


class StalePlanError(Exception):
    """The tables have changed under a prepared statement: nobody's fault, try the transaction again."""


class _Plans:
    """What is prepared on a connection."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.are_stale = False
        self.may_be_stale = False
        """Whether the statement that is executed now has a plan from earlier."""

        self.expire_at = monotonic() + _PLANS_LAST_SECONDS

    def refresh(self, cursor: Any) -> None:
        """Forget what is out of date."""
        # An eager connection may have the error of another statement for us.
        wait = getattr(cursor.connection, "wait", None)
        if wait is not None:
            wait()
        if self.are_stale:
            cursor.execute("DEALLOCATE ALL")
            self.names.clear()
            self.are_stale = False
        elif monotonic() > self.expire_at:
            cursor.execute("DISCARD PLANS")
            self.expire_at = monotonic() + _PLANS_LAST_SECONDS

    def blame(self, error: psycopg2.Error, *, may_be_stale: bool) -> NoReturn:
        """Raise what the error of a statement means: its plan is stale, if it has one from earlier."""
        if not may_be_stale:
            raise error  # To try again would be endless.
        self.are_stale = True
        raise StalePlanError(str(error)) from error


_plans: Final[WeakKeyDictionary[Any, _Plans]] = WeakKeyDictionary()


def plans_of(connection: Any) -> _Plans:
    """What is prepared on a connection."""
    plans = _plans.get(connection)
    if plans is None:
        plans = _plans[connection] = _Plans()
    return plans


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
        plans = plans_of(cursor.connection)
        plans.refresh(cursor)
        is_new = self.name not in plans.names
        if is_new:
            cursor.execute(self._prepare)
            plans.names.add(self.name)
        plans.may_be_stale = not is_new
        try:
            cursor.execute(self._execute, parameters)
        except STALE_PLAN_ERRORS as error:
            plans.blame(error, may_be_stale=not is_new)
        finally:
            plans.may_be_stale = False
