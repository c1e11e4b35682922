"""Pages of long lists: cut by keys, not by counting, so that the last page is as quick as the first.

The order is total and stable: a row that comes or goes moves no other row to another page.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")

Position: TypeAlias = tuple[int, ...]
"""The keys of a row, behind (or before) which a page begins."""

WINDOW_ROWS: Final = 10_000
"""How many rows one page looks through for rows that no index finds."""


class Cut(msgspec.Struct, frozen=True):
    """Where a page begins: at the start of the list, behind a row, or before it."""

    position: Position | None = None
    is_backward: bool = False


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list, and where its neighbours begin; none at the ends."""

    items: list[T]
    previous: Cut | None
    next: Cut | None

    def map(self, function: Callable[[T], Any]) -> "Page[Any]":
        """The same page with other items."""
        return Page([function(item) for item in self.items], self.previous, self.next)


def read_page(
    cursor: Any,
    query: str,
    parameters: Mapping[str, Any],
    cut: Cut,
    limit: int,
    *,
    keys: Sequence[str],
    position_of: Callable[[Any], Position],
    newest_first: bool = False,
) -> Page[Any]:
    """A page of the rows of a query, which names the places `{cut}`, `{order}` and `%(limit)s`.

    `keys` are the columns of the order, which are unique together.
    """
    condition, order, values = clauses(cut, keys, newest_first=newest_first)
    cursor.execute(query.format(cut=condition, order=order), {**parameters, **values, "limit": limit + 1})
    return page_of(cursor.fetchall(), cut, limit, position_of)


def clauses(cut: Cut, keys: Sequence[str], *, newest_first: bool) -> tuple[str, str, dict[str, int]]:
    """The condition and the order of a page as SQL, and the parameters of the condition."""
    is_down = newest_first != cut.is_backward
    order = ", ".join(f"{key} {'DESC' if is_down else 'ASC'}" for key in keys)
    if cut.position is None:
        return "true", order, {}
    # Without the cast the least number of 64 bits would be a `numeric`, which no index serves.
    values = {f"cut_{number}": value for number, value in enumerate(cut.position)}
    places = ", ".join(f"CAST(%({name})s AS int8)" for name in values)
    condition = f"({', '.join(keys)}) {'<' if is_down else '>'} ({places})"
    return condition, order, values


def page_of(
    rows: list[Any],
    cut: Cut,
    limit: int,
    position_of: Callable[[Any], Position],
    looked_to: Position | None = None,
) -> Page[Any]:
    """Rows in the order of the query, of which one too many was asked for, as a page.

    `looked_to` is where the search ended, if it ended before the end of the list.
    """
    has_more = len(rows) > limit
    rows = rows[:limit]
    beyond = position_of(rows[-1]) if has_more else looked_to
    if cut.is_backward:
        rows.reverse()
        # What was looked through without a find is passed over on the way back as well.
        last = position_of(rows[-1]) if rows else looked_to
        return Page(rows, _before(beyond), Cut(last))
    first = position_of(rows[0]) if rows else cut.position
    return Page(rows, _before(first) if cut.position is not None else None, _behind(beyond))


def _before(position: Position | None) -> Cut | None:
    return None if position is None else Cut(position, True)


def _behind(position: Position | None) -> Cut | None:
    return None if position is None else Cut(position)
