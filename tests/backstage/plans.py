"""Overhears what an application asks its database, and looks at the plans of these questions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg2.extensions import cursor
from sqlalchemy import Engine, event


class Plan(NamedTuple):
    """How PostgreSQL answers a question: which tables it reads whole, and which indexes it uses."""

    query: str
    whole_tables: frozenset[str]
    indexes: frozenset[str]
    pages: int
    milliseconds: float


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Everything that connections made within this context are asked, as it comes."""
    asked: list[str] = []

    class Listening(cursor):
        def execute(self, query: Any, parameters: Any = None) -> None:
            super().execute(query, parameters)
            asked.append((self.query or b"").decode())

    def listen(connection: Any, record: object) -> None:
        connection.cursor_factory = Listening

    event.listen(Engine, "connect", listen)
    try:
        yield asked
    finally:
        event.remove(Engine, "connect", listen)


def plan_of(connection: Any, query: str) -> Plan | None:
    """The plan of a question, as it was carried out; None of what is no question to a table."""
    if query.lstrip(" \n(").split(maxsplit=1)[0].upper() not in ("SELECT", "WITH"):
        return None
    with connection, connection.cursor() as asking:
        asking.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query.replace("%", "%%"), ())
        [[[explained]]] = asking.fetchall()
    nodes = list(_nodes(explained["Plan"]))
    return Plan(
        query=query,
        whole_tables=frozenset(node["Relation Name"] for node, above in nodes if _is_read_whole(node, above)),
        indexes=frozenset(node["Index Name"] for node, _ in nodes if "Index Name" in node),
        pages=explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"],
        milliseconds=explained["Execution Time"],
    )


def _is_read_whole(node: dict[str, Any], above: str) -> bool:
    # Rows that are counted as they are read are as many as the question says, however many there are.
    is_bounded = above == "Limit" and "Filter" not in node
    return bool(node["Node Type"] == "Seq Scan") and not is_bounded


def _nodes(plan: dict[str, Any], above: str = "") -> Iterator[tuple[dict[str, Any], str]]:
    """Each node, and the type of the one above it."""
    # What was never carried out, like the partitions of other months, shows nothing.
    if plan.get("Actual Loops") != 0:
        yield plan, above
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner, plan["Node Type"])
