"""Dead letters for operators: listed, shown, put back into the queue, discarded (spec: wire.md section 7)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import psycopg2
from psycopg2.extras import Json

from swpt_accounts import messages
from swpt_accounts.broker.content_header import describe
from swpt_accounts.broker.delivery import CONTENT_TYPE, TYPE, kept_properties, short_property
from swpt_accounts.errors import OperatorError
from swpt_accounts.messages import Malformed, PendingBalanceChange
from swpt_accounts.moments import Moment
from swpt_accounts.returned import pack_returned, returned

from .orders import Order
from .transactions import transact

STATES: Final = ("open", "returned", "discarded")

ONLY_DISCARDED: Final = frozenset({"not_internal", "not_allowed"})
ONLY_BY_CREDITS: Final = frozenset({"credit_conflict", "credit_too_old"})

_COLUMNS: Final = """
    dead_letter_id, received_at, state, reason, detail, queue, exchange, routing_key, properties, body_size,
    body_sha256, coalesce(octet_length(body), -1) = body_size, settled_at, operator_note
"""

_LIST: Final = f"""
SELECT {_COLUMNS} FROM dead_letter
WHERE dead_letter_id > %(after)s AND (%(state)s IS NULL OR state = %(state)s)
  AND (%(reason)s IS NULL OR reason = %(reason)s)
ORDER BY dead_letter_id LIMIT %(limit)s
"""  # noqa: S608 - constants only

_SHOW: Final = f"SELECT {_COLUMNS}, body FROM dead_letter WHERE dead_letter_id = %s"  # noqa: S608

_LOCK: Final = f"""
SELECT {_COLUMNS}, body FROM dead_letter WHERE dead_letter_id = ANY(%s) ORDER BY dead_letter_id FOR UPDATE
"""  # noqa: S608 - constants only

_SETTLE: Final = """
UPDATE dead_letter SET state = %(state)s, settled_at = %(now)s, operator_note = %(note)s
WHERE dead_letter_id = ANY(%(ids)s)
"""

# Nobody's row: the relay takes it at once, and it waits for nothing else.
_PUT_BACK: Final = """
INSERT INTO outbox (created_at, type_counts, accounts, payload, next_attempt_at)
VALUES (%(now)s, %(type_counts)s, '', %(payload)s, %(now)s)
"""


class DeadLetter(msgspec.Struct, frozen=True):
    """A dead letter without its body.  `is_complete` says whether the whole body is kept."""

    dead_letter_id: int
    received_at: Moment
    state: str
    reason: str
    detail: str
    queue: str
    exchange: str
    routing_key: str
    properties: bytes
    body_size: int
    body_sha256: bytes
    is_complete: bool
    settled_at: Moment | None
    operator_note: str | None

    @property
    def type(self) -> str | None:
        """The property type; None if it is missing."""
        return short_property(self.properties, TYPE)

    @property
    def content_type(self) -> str | None:
        """The property content_type; None if it is missing."""
        return short_property(self.properties, CONTENT_TYPE)

    def described_properties(self) -> dict[str, Any]:
        """All properties and headers, as far as they can be read."""
        return describe(self.properties)


def list_dead_letters(
    connection: Any, *, state: str | None, reason: str | None, after: int = 0, limit: int = 100
) -> list[DeadLetter]:
    """Dead letters by id, those behind `after`; no state or reason means all of them."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_LIST, {"state": state, "reason": reason, "after": after, "limit": limit})
        return [_dead_letter(row) for row in cursor.fetchall()]


def show_dead_letter(connection: Any, dead_letter_id: int) -> tuple[DeadLetter, bytes | None]:
    """A dead letter, and what is kept of its body."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_SHOW, [dead_letter_id])
        row = cursor.fetchone()
    if row is None:
        raise OperatorError(_no_such(dead_letter_id))
    return _with_body(row)


def return_dead_letters(
    connection: Any, ids: Sequence[int], note: str, *, internal_user: str, order: Order
) -> None:
    """Put messages back into `accounts_in`, through the outbox; all of them or none."""

    def put_back(cursor: Any) -> None:
        found = lock_dead_letters(cursor, ids, partial(_why_not_returned, internal_user=internal_user))
        now = settle(cursor, found, "returned", note, "dead-letters return", order)
        for letter, body in found:
            assert body is not None, "checked above"
            properties = kept_properties(letter.properties)
            message = returned(body, letter.type, letter.routing_key, properties)
            payload = psycopg2.Binary(pack_returned(message))
            values = {"now": now, "type_counts": Json({message.type: 1}), "payload": payload}
            cursor.execute(_PUT_BACK, values)

    transact(connection, put_back)


def discard_dead_letters(connection: Any, ids: Sequence[int], note: str, *, order: Order) -> None:
    """Close dead letters without any other effect; all of them or none."""

    def discard(cursor: Any) -> None:
        found = lock_dead_letters(cursor, ids, _why_not_discarded)
        settle(cursor, found, "discarded", note, "dead-letters discard", order)

    transact(connection, discard)


# -- for all commands that settle dead letters ---------------------------------------------------


def lock_dead_letters(
    cursor: Any, ids: Sequence[int], why_not: Callable[[DeadLetter, bytes | None], str | None]
) -> list[tuple[DeadLetter, bytes | None]]:
    """Lock open dead letters; raises OperatorError with a line for each that cannot be taken."""
    cursor.execute(_LOCK, [sorted(set(ids))])
    rows = [
        (_dead_letter(row[:-1]), None if row[-1] is None else bytes(row[-1])) for row in cursor.fetchall()
    ]
    problems = [_no_such(one) for one in sorted(set(ids) - {letter.dead_letter_id for letter, _ in rows})]
    for letter, body in rows:
        reason = f"is {letter.state} already" if letter.state != "open" else why_not(letter, body)
        if reason is not None:
            problems.append(f"dead letter {letter.dead_letter_id} {reason}")
    if problems:
        raise OperatorError("\n".join(problems))
    return rows


def settle(
    cursor: Any,
    found: Sequence[tuple[DeadLetter, bytes | None]],
    state: str,
    note: str,
    action: str,
    order: Order,
) -> Moment:
    """Close locked dead letters, and leave an audit row for each; returns the moment."""
    now = order.clock()
    ids = [letter.dead_letter_id for letter, _ in found]
    cursor.execute(_SETTLE, {"state": state, "now": now, "note": note, "ids": ids})
    for letter, _ in found:
        detail = f"{letter.reason}: {note}" if note else letter.reason
        order.write_down(cursor, action, f"dead letter {letter.dead_letter_id}", detail)
    return now


def read_message(letter: DeadLetter, body: bytes | None) -> messages.Message | Malformed:
    """The message in a dead letter, or what is wrong with it."""
    try:
        return messages.decode(body or b"", letter.content_type, letter.type, body_size=letter.body_size)
    except Malformed as malformed:
        return malformed


def _why_not_returned(letter: DeadLetter, body: bytes | None, *, internal_user: str) -> str | None:
    if letter.reason in ONLY_DISCARDED:
        return f"is {letter.reason}: it can only be discarded"
    if letter.reason in ONLY_BY_CREDITS:
        return f"is {letter.reason}: only `credits apply` or `credits discard` may settle it"
    if body is None:
        return "has lost its body, because too many were open: it can only be discarded"
    if not letter.is_complete:
        return "has only the beginning of its body: it can only be discarded"
    if internal_user and isinstance(read_message(letter, body), PendingBalanceChange):
        # It would travel without our name, come back as not_internal, and then be lost for good.
        return "is a credit, which INTERNAL_USER keeps from coming back: use `credits apply`"
    return None


def _why_not_discarded(letter: DeadLetter, body: bytes | None) -> str | None:
    if letter.reason in ONLY_BY_CREDITS:
        return f"is {letter.reason}, which is money in transit: use `credits apply` or `credits discard`"
    return None


def _dead_letter(row: Any) -> DeadLetter:
    values = list(row)
    for position in (8, 10):
        values[position] = bytes(values[position])
    return DeadLetter(*values)


def _with_body(row: Any) -> tuple[DeadLetter, bytes | None]:
    return _dead_letter(row[:-1]), None if row[-1] is None else bytes(row[-1])


def _no_such(dead_letter_id: int) -> str:
    return f"there is no dead letter {dead_letter_id}"
