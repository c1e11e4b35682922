"""Rows of the outbox that could not be published yet, for operators (spec: wire.md section 8).

Most of them are tried again by themselves.  A row that the relay could not read is set aside (rule O6),
and waits for an operator: perhaps a newer version can read it, perhaps nobody ever will.
"""

from collections.abc import Sequence
from struct import iter_unpack
from typing import Any, Final

import msgspec

from swpt_accounts.errors import OperatorError
from swpt_accounts.facts import AccountKey
from swpt_accounts.moments import Moment

from .orders import Order
from .transactions import transact

_LIST: Final = """
SELECT outbox_id, created_at, type_counts, accounts, octet_length(payload), attempts, next_attempt_at,
    last_failure, publisher_key IS NOT NULL
FROM outbox WHERE outbox_id > %(after)s AND (%(is_all)s OR last_failure IS NOT NULL)
ORDER BY outbox_id LIMIT %(limit)s
"""

_LOCK: Final = """
SELECT outbox_id, type_counts, octet_length(payload) FROM outbox
WHERE outbox_id = ANY(%(ids)s) AND last_failure = 'unreadable' AND publisher_key IS NULL
ORDER BY outbox_id FOR UPDATE
"""

_RELEASE: Final = "UPDATE outbox SET next_attempt_at = %(now)s WHERE outbox_id = ANY(%(ids)s)"
_DISCARD: Final = "DELETE FROM outbox WHERE outbox_id = ANY(%(ids)s)"
_STATEMENTS: Final = {"release": _RELEASE, "discard": _DISCARD}


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
    with connection, connection.cursor() as cursor:
        cursor.execute(_LIST, {"is_all": is_all, "after": after, "limit": limit})
        rows = cursor.fetchall()
    return [_row(row) for row in rows]


def settle_unreadable(connection: Any, ids: Sequence[int], action: str, note: str, *, order: Order) -> None:
    """Let the relay try rows again that it could not read (release), or delete them (discard).

    All of them or none; each leaves an audit row.  Raises OperatorError if one is no such row, or if
    there is no note for what cannot be taken back.
    """
    if action == "discard" and not note.strip():
        raise OperatorError("discarded events are lost: say in a note why")
    wanted = sorted(set(ids))

    def settle(cursor: Any) -> None:
        cursor.execute(_LOCK, {"ids": wanted})
        found = cursor.fetchall()
        if missing := set(wanted) - {outbox_id for outbox_id, _, _ in found}:
            raise OperatorError("\n".join(_why_not(one) for one in sorted(missing)))
        cursor.execute(_STATEMENTS[action], {"ids": wanted, "now": order.clock()})
        for outbox_id, type_counts, size in found:
            told = ", ".join(f"{number} {name}" for name, number in sorted(type_counts.items()))
            detail = f"{told}, unreadable, {size} bytes" + (f": {note}" if note else "")
            order.write_down(cursor, f"outbox {action}", f"row {outbox_id}", detail)

    transact(connection, settle)


def _why_not(outbox_id: int) -> str:
    return f"row {outbox_id} of the outbox is none that is set aside as unreadable, or is in hand just now"


def _row(row: Any) -> OutboxRow:
    values = list(row)
    values[3] = unpack_accounts(bytes(values[3]))
    return OutboxRow(*values)


def unpack_accounts(packed: bytes) -> list[AccountKey]:
    """The accounts that a row of the outbox belongs to; none for a message that was put back."""
    return list(iter_unpack(">qq", packed))
