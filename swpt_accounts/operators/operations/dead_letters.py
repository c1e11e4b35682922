"""Dead letters in the hands of an operator: put back into the queue, or discarded (rules.md#dead-letters)."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg2
from psycopg2.extras import Json

from swpt_accounts.broker.delivery import kept_properties
from swpt_accounts.operators.inspection.dead_letters import (
    COLUMNS,
    DeadLetter,
    dead_letter,
    no_such_letter,
    read_message,
)
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.outbox.returned import pack_returned, returned
from swpt_accounts.wire.messages import Malformed, PendingBalanceChange
from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.peers import Peers

from .conflicts import transact
from .orders import Order

ONLY_DISCARDED: Final = frozenset({"not_internal", "not_allowed"})
ONLY_BY_CREDITS: Final = frozenset({"credit_conflict", "credit_too_old"})


_LOCK: Final = f"""
SELECT {COLUMNS}, body FROM dead_letter WHERE dead_letter_id = ANY(%s) ORDER BY dead_letter_id FOR UPDATE
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


def return_dead_letters(
    connection: Any,
    ids: Sequence[int],
    note: str,
    *,
    order: Order,
    internal_user: str = "",
    peers: Peers | None = None,
) -> None:
    """Put messages back into `accounts_in`, through the outbox; all of them or none.

    A credit goes only if `internal_user`, who publishes, has sent it before, and under that name again.
    Where there is a table of peers, any other goes only if its sender may send it now, and then under the
    name of the server: the broker vouches for no other name, and nobody is believed without one.
    """

    def why_not(letter: DeadLetter, body: bytes | None) -> str | None:
        return _why_not_returned(letter, body, internal_user, peers)

    def put_back(cursor: Any) -> None:
        found = lock_dead_letters(cursor, ids, why_not)
        now = settle(cursor, found, "returned", note, "dead-letters return", order)
        for letter, body in found:
            assert body is not None, "checked above"
            user = _user_of_returned(letter, body, internal_user, peers)
            properties = kept_properties(letter.properties, user_id=user)
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
    rows = [(dead_letter(row[:-1]), None if row[-1] is None else bytes(row[-1])) for row in cursor.fetchall()]
    problems = [
        no_such_letter(one) for one in sorted(set(ids) - {letter.dead_letter_id for letter, _ in rows})
    ]
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


def _user_of_returned(letter: DeadLetter, body: bytes, internal_user: str, peers: Peers | None) -> str:
    """Under whose name a message goes that may be returned; nobody can tell what a malformed one will be."""
    message = read_message(letter, body)
    if isinstance(message, PendingBalanceChange):
        return internal_user
    return "" if peers is None or isinstance(message, Malformed) else peers.server_user


def _why_not_returned(
    letter: DeadLetter, body: bytes | None, internal_user: str, peers: Peers | None
) -> str | None:
    if letter.reason in ONLY_DISCARDED:
        return f"is {letter.reason}: it can only be discarded"
    if letter.reason in ONLY_BY_CREDITS:
        return f"is {letter.reason}: only `credits apply` or `credits discard` may settle it"
    if body is None:
        return "has lost its body, because too many were open: it can only be discarded"
    if not letter.is_complete:
        return "has only the beginning of its body: it can only be discarded"
    message = read_message(letter, body)
    if isinstance(message, Malformed):
        return None
    if isinstance(message, PendingBalanceChange):
        if internal_user == "" or letter.user_id != internal_user:
            # It would come back as not_internal, and then be lost for good.
            return "is a credit, which would come back as not_internal: use `credits apply`"
    elif peers is not None and (why := peers.why_not(letter.user_id, message)):
        return f"is not allowed by the table of peers ({why}): it can only be discarded"
    return None


def _why_not_discarded(letter: DeadLetter, body: bytes | None) -> str | None:
    if letter.reason in ONLY_BY_CREDITS:
        return f"is {letter.reason}, which is money in transit: use `credits apply` or `credits discard`"
    return None
