"""Rows of the outbox that could not be published yet, for operators (rules.md#publishing).

Most of them are tried again by themselves.  A row that the relay could not read is set aside (rule O6),
and waits for an operator: perhaps a newer version can read it, perhaps nobody ever will.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.moments import Moment

from .conflicts import transact
from .orders import Order

_LOCK: Final = """
SELECT outbox_id, type_counts, octet_length(payload) FROM outbox
WHERE outbox_id = ANY(%(ids)s) AND last_failure = %(last_failure)s AND publisher_key IS NULL
ORDER BY outbox_id FOR UPDATE
"""

_PARK: Final = "UPDATE outbox SET next_attempt_at = NULL WHERE outbox_id = ANY(%(ids)s)"
_RELEASE: Final = "UPDATE outbox SET next_attempt_at = %(now)s WHERE outbox_id = ANY(%(ids)s)"
_DISCARD: Final = "DELETE FROM outbox WHERE outbox_id = ANY(%(ids)s)"
_STATEMENTS: Final = {"park": _PARK, "release": _RELEASE, "discard": _DISCARD}

ACTIONS: Final = tuple(_STATEMENTS)
"""What operators can do with rows: not try them any more, try them now, delete them."""


def check_note(action: str, note: str) -> None:
    """Raises OperatorError if there is no note for what cannot be taken back."""
    if action == "discard" and not note.strip():
        raise OperatorError("discarded events are lost: say in a note why")


def lock_rows(
    cursor: Any, ids: Sequence[int], last_failure: str, *, skip_locked: bool = False
) -> list[tuple[int, dict[str, int], int]]:
    """Lock those of these rows that have failed so, and that no process has in hand.

    Returns id, counts by type and size in bytes of each.  With `skip_locked` rows that somebody else has
    locked are left out instead of waited for.
    """
    statement = _LOCK + (" SKIP LOCKED" if skip_locked else "")
    cursor.execute(statement, {"ids": list(ids), "last_failure": last_failure})
    rows: list[tuple[int, dict[str, int], int]] = cursor.fetchall()
    return rows


def act_on_rows(cursor: Any, ids: Sequence[int], action: str, now: Moment) -> None:
    """Do one of ACTIONS with rows that are locked."""
    cursor.execute(_STATEMENTS[action], {"ids": list(ids), "now": now})


def detail_of(type_counts: Mapping[str, int], circumstances: str, note: str) -> str:
    """What the audit says about events that an order was about."""
    counted = ", ".join(f"{number} {name}" for name, number in sorted(type_counts.items()))
    return f"{counted}{circumstances}" + (f": {note}" if note else "")


def settle_unreadable(connection: Any, ids: Sequence[int], action: str, note: str, *, order: Order) -> None:
    """Let the relay try rows again that it could not read (release; rule O6), or delete them (discard).

    All of them or none; each leaves an audit row.  Raises OperatorError if one is no such row, or if
    there is no note for what cannot be taken back.
    """
    check_note(action, note)
    wanted = sorted(set(ids))

    def settle(cursor: Any) -> None:
        found = lock_rows(cursor, wanted, "unreadable")
        if missing := set(wanted) - {outbox_id for outbox_id, _, _ in found}:
            raise OperatorError("\n".join(_why_not(one) for one in sorted(missing)))
        act_on_rows(cursor, wanted, action, order.clock())
        for outbox_id, type_counts, size in found:
            detail = detail_of(type_counts, f", unreadable, {size} bytes", note)
            order.write_down(cursor, f"outbox {action}", f"row {outbox_id}", detail)

    transact(connection, settle)


def _why_not(outbox_id: int) -> str:
    return f"row {outbox_id} of the outbox is none that is set aside as unreadable, or is in hand just now"
