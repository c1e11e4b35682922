"""How much waits to be published."""

from typing import Any, Final

import msgspec

from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.storage.outbox.rows import unpack_accounts
from swpt_accounts.wire.moments import Moment

from .keyset import Cut, Page, read_page

_MOST_COUNTED: Final = 10_000

# Rows come and go in millions: nobody needs the exact number of many.
_COUNT: Final = f"""
SELECT count(*), count(*) FILTER (WHERE last_failure IS NOT NULL),
    count(*) FILTER (WHERE publisher_key IS NULL AND next_attempt_at IS NULL), min(created_at)
FROM (SELECT last_failure, publisher_key, next_attempt_at, created_at FROM outbox
      ORDER BY outbox_id LIMIT {_MOST_COUNTED}) AS oldest
"""  # noqa: S608 - constants only


class OutboxState(msgspec.Struct, frozen=True):
    """The oldest rows of the outbox, counted; all of them unless there are as many as are counted at most."""

    rows: int
    failed_rows: int
    parked_rows: int
    oldest_created_at: Moment | None
    is_complete: bool


def outbox_state(connection: Any) -> OutboxState:
    """How much waits, and since when."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_COUNT)
        rows, failed, parked, oldest = cursor.fetchone()
    return OutboxState(rows, failed, parked, oldest, rows < _MOST_COUNTED)


_LIST_ROWS: Final = """
SELECT outbox_id, created_at, type_counts, accounts, octet_length(payload), attempts, next_attempt_at,
    last_failure, publisher_key IS NOT NULL
FROM outbox WHERE {cut} AND (%(is_all)s OR last_failure IS NOT NULL)
ORDER BY {order} LIMIT %(limit)s
"""


class OutboxRow(msgspec.Struct, frozen=True):
    """What waits to be published.

    `last_failure` is returned (no queue wants it), nacked (the broker refused it), unanswered, or
    unreadable (we cannot read our own row, and have set it aside).  `is_in_hand` says that a process is
    publishing it, and `next_attempt_at` is none until it failed, and while nobody will try it.
    """

    outbox_id: int
    created_at: Moment
    type_counts: dict[str, int]
    accounts: list[AccountKey]
    payload_bytes: int
    attempts: int
    next_attempt_at: Moment | None
    last_failure: str | None
    is_in_hand: bool


def list_outbox(connection: Any, *, is_all: bool, after: int = 0, limit: int = 100) -> list[OutboxRow]:
    """Rows by id, those behind `after`: only those that have failed, unless all are wanted."""
    return page_of_outbox(connection, Cut((after,)), limit, is_all=is_all).items


def page_of_outbox(connection: Any, cut: Cut, limit: int, *, is_all: bool) -> Page[OutboxRow]:
    """A page of rows by id: only those that have failed, unless all are wanted."""
    with connection, connection.cursor() as cursor:
        page = read_page(
            cursor,
            _LIST_ROWS,
            {"is_all": is_all},
            cut,
            limit,
            keys=["outbox_id"],
            position_of=lambda row: (row[0],),
        )
    return page.map(_row)


def _row(row: Any) -> OutboxRow:
    values = list(row)
    values[3] = unpack_accounts(bytes(values[3]))
    return OutboxRow(*values)
