"""Statements on many rows at once, as each of the two databases likes them.

PostgreSQL takes one array for each column, and plain values for a single row, which it plans in half
the time.  SQLite takes the rows one after the other, and keys as one JSON text.
"""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol, TypeAlias

from sqlalchemy import BigInteger, Connection, Date, Integer, Table, Text, text

from .arrays import array_of

Row: TypeAlias = Sequence[Any]
"""The values of all columns of a table, in its order."""

_TYPES: Final = {BigInteger: "bigint", Integer: "integer", Text: "text", Date: "date"}


class Statements(Protocol):
    """Statements on many rows at once."""

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """Insert rows where they are in nobody's way; says how many."""

    def update(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """Replace rows, found by the primary key; says how many."""

    def delete(self, connection: Connection, table: Table, keys: Sequence[Row]) -> None:
        """Delete rows whose first columns are these."""

    def select(
        self,
        connection: Connection,
        table: Table,
        wanted: str,
        columns: str,
        keys: Sequence[Row],
        *,
        lock: bool,
        only: str = "",
    ) -> Iterable[Any]:
        """Read `wanted` of rows with such keys in `columns`, in the order of the primary key; locks if asked.

        `only` is a further condition.
        """

    def hurry(self, connection: Connection) -> None:
        """The commit need not wait for the disk."""


def _type_of(table: Table, column: str) -> str:
    return next(name for kind, name in _TYPES.items() if isinstance(table.c[column].type, kind))


def _names(columns: str) -> list[str]:
    return columns.split(", ")


# --- PostgreSQL -----------------------------------------------------------------------------------

_PG_HURRY: Final = text("SET LOCAL synchronous_commit TO off")


def _value(table: Table, column: str, of_many: bool) -> str:
    kind = _type_of(table, column)
    return f"v.{column}" if of_many else f"CAST(:{column} AS {kind})"


def _rows_of_arrays(table: Table, columns: Sequence[str]) -> str:
    # `FROM unnest(…, …)` would write each array into a store of its own first.
    arrays = ", ".join(f"unnest(CAST(:{name} AS {_type_of(table, name)}[])) AS {name}" for name in columns)
    return f"(SELECT {arrays}) AS v"


def _found(table: Table, names: Sequence[str], of_many: bool) -> str:
    return " AND ".join(f"t.{name} = {_value(table, name, of_many)}" for name in names)


@lru_cache
def _pg_insert(table: Table, of_many: bool) -> Any:
    columns = table.c.keys()
    names = ", ".join(columns)
    values = ", ".join(_value(table, name, of_many) for name in columns)
    rows = f" FROM {_rows_of_arrays(table, columns)}" if of_many else ""
    return text(f"INSERT INTO {table.name} ({names}) SELECT {values}{rows} ON CONFLICT DO NOTHING")


@lru_cache
def _pg_update(table: Table, of_many: bool) -> Any:
    columns, keys = table.c.keys(), table.primary_key.c.keys()
    values = ", ".join(f"{name} = {_value(table, name, of_many)}" for name in columns if name not in keys)
    rows = f" FROM {_rows_of_arrays(table, columns)}" if of_many else ""
    return text(f"UPDATE {table.name} t SET {values}{rows} WHERE {_found(table, keys, of_many)}")  # noqa: S608 - names of ours


@lru_cache
def _pg_delete(table: Table, names: tuple[str, ...], of_many: bool) -> Any:
    rows = f" USING {_rows_of_arrays(table, names)}" if of_many else ""
    return text(f"DELETE FROM {table.name} t{rows} WHERE {_found(table, names, of_many)}")  # noqa: S608 - names of ours


@lru_cache
def _pg_select(
    table: Table, wanted: str, names: tuple[str, ...], only: str, of_many: bool, lock: bool
) -> Any:
    rows = f", {_rows_of_arrays(table, names)}" if of_many else ""
    found = _found(table, names, of_many) + (f" AND {only}" if only else "")
    order = ", ".join(f"t.{name}" for name in table.primary_key.c.keys())  # noqa: SIM118 - no dictionary
    tail = " FOR NO KEY UPDATE OF t" if lock else ""
    return text(f"SELECT {wanted} FROM {table.name} t{rows} WHERE {found} ORDER BY {order}{tail}")  # noqa: S608 - names of ours


def _bound(columns: Sequence[str], rows: Sequence[Row]) -> dict[str, Any]:
    if len(rows) == 1:
        return dict(zip(columns, rows[0], strict=True))
    return {name: array_of(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}


class PostgresStatements:
    """See Statements."""

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """One statement for all."""
        statement = _pg_insert(table, len(rows) > 1)
        return connection.execute(statement, _bound(table.c.keys(), rows)).rowcount

    def update(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """One statement for all."""
        statement = _pg_update(table, len(rows) > 1)
        return connection.execute(statement, _bound(table.c.keys(), rows)).rowcount

    def delete(self, connection: Connection, table: Table, keys: Sequence[Row]) -> None:
        """One statement for all."""
        columns = tuple(table.c.keys()[: len(keys[0])])
        connection.execute(_pg_delete(table, columns, len(keys) > 1), _bound(columns, keys))

    def select(
        self,
        connection: Connection,
        table: Table,
        wanted: str,
        columns: str,
        keys: Sequence[Row],
        *,
        lock: bool,
        only: str = "",
    ) -> Iterable[Any]:
        """One statement for all; the rows are locked in the order in which they come."""
        names = tuple(_names(columns))
        statement = _pg_select(table, wanted, names, only, len(keys) > 1, lock)
        return connection.execute(statement, _bound(names, keys))

    def hurry(self, connection: Connection) -> None:
        """For this transaction alone; what others have waited for stays as safe as it was."""
        connection.execute(_PG_HURRY)


# --- SQLite ---------------------------------------------------------------------------------------


@lru_cache
def _lite_insert(table: Table) -> Any:
    names = table.c.keys()
    values = ", ".join(f":{name}" for name in names)
    return text(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values}) ON CONFLICT DO NOTHING")  # noqa: S608


@lru_cache
def _lite_update(table: Table) -> Any:
    keys, names = table.primary_key.c.keys(), table.c.keys()
    values = ", ".join(f"{name} = :{name}" for name in names if name not in keys)
    found = " AND ".join(f"{name} = :{name}" for name in keys)
    return text(f"UPDATE {table.name} SET {values} WHERE {found}")  # noqa: S608 - names of ours


@lru_cache
def _lite_keyed(table: Table, head: str, columns: str, only: str = "") -> Any:
    names = _names(columns)
    values = ", ".join(f"json_extract(value, '$[{index}]')" for index in range(len(names)))
    found = f"({columns}) IN (SELECT {values} FROM json_each(:keys))"  # noqa: S608 - names of ours
    if head == "DELETE":
        return text(f"DELETE FROM {table.name} WHERE {found}")  # noqa: S608 - names of ours
    order = ", ".join(table.primary_key.c.keys())
    also = f" AND {only}" if only else ""
    return text(f"SELECT {head} FROM {table.name} t WHERE {found}{also} ORDER BY {order}")  # noqa: S608 - names of ours


def _storable(value: Any) -> Any:
    return value if value is None or type(value) in (int, str, bytes) else value.isoformat()


class SqliteStatements:
    """See Statements.  Whoever is in a transaction is alone in the database: nothing need be locked."""

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """Row by row, within one call."""
        return connection.execute(_lite_insert(table), self._named(table, rows)).rowcount

    def update(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """Row by row, within one call."""
        return connection.execute(_lite_update(table), self._named(table, rows)).rowcount

    def delete(self, connection: Connection, table: Table, keys: Sequence[Row]) -> None:
        """One statement for all."""
        columns = ", ".join(table.c.keys()[: len(keys[0])])
        connection.execute(_lite_keyed(table, "DELETE", columns), {"keys": self._json(keys)})

    def select(
        self,
        connection: Connection,
        table: Table,
        wanted: str,
        columns: str,
        keys: Sequence[Row],
        *,
        lock: bool,
        only: str = "",
    ) -> Iterable[Any]:
        """One statement for all."""
        return connection.execute(_lite_keyed(table, wanted, columns, only), {"keys": self._json(keys)})

    def hurry(self, connection: Connection) -> None:
        """There is no such thing within one transaction."""

    @staticmethod
    def _named(table: Table, rows: Sequence[Row]) -> list[dict[str, Any]]:
        names = table.c.keys()
        return [dict(zip(names, map(_storable, row), strict=True)) for row in rows]

    @staticmethod
    def _json(keys: Sequence[Row]) -> str:
        return json.dumps([[_storable(value) for value in key] for key in keys])
