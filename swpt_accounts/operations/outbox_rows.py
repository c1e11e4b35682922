"""Rows of the outbox that could not be published yet, for operators (spec: wire.md section 8)."""

from struct import iter_unpack
from typing import Any, Final

import msgspec

from swpt_accounts.facts import AccountKey
from swpt_accounts.moments import Moment

_LIST: Final = """
SELECT outbox_id, created_at, type_counts, accounts, octet_length(payload), attempts, next_attempt_at,
    last_failure, publisher_key IS NOT NULL
FROM outbox WHERE outbox_id > %(after)s AND (%(is_all)s OR attempts > 0)
ORDER BY outbox_id LIMIT %(limit)s
"""


class OutboxRow(msgspec.Struct, frozen=True):
    """What waits to be published.

    `last_failure` is returned (no queue wants it), nacked (the broker refused it) or unanswered;
    `is_in_hand` says that a process is publishing it, and `next_attempt_at` is none until it failed.
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
    with connection, connection.cursor() as cursor:
        cursor.execute(_LIST, {"is_all": is_all, "after": after, "limit": limit})
        rows = cursor.fetchall()
    return [_row(row) for row in rows]


def _row(row: Any) -> OutboxRow:
    values = list(row)
    values[3] = unpack_accounts(bytes(values[3]))
    return OutboxRow(*values)


def unpack_accounts(packed: bytes) -> list[AccountKey]:
    """The accounts that a row of the outbox belongs to; none for a message that was put back."""
    return list(iter_unpack(">qq", packed))
