"""Checks what is on its way: every row of the outbox can be sent, every credit of the registry was applied
once (V14, V15; rules.md#invariants).

Both go in pages with a transaction each, because nothing in one row depends on another row.
"""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from swpt_accounts.events import decode
from swpt_accounts.rules.invariants import Violation
from swpt_accounts.storage.outbox.returned import unpack_returned
from swpt_accounts.storage.outbox.rows import pack_accounts, unpack
from swpt_accounts.wire.moments import Moment

_OUTBOX_PAGE: Final = 100
_PAGE: Final = 2000

_OUTBOX: Final = """
SELECT outbox_id, type_counts, accounts, payload, publisher_key IS NULL AND next_attempt_at IS NULL,
    last_failure
FROM outbox WHERE outbox_id > %s ORDER BY outbox_id LIMIT %s
"""

# A journal that begins later does not know of a credit.  A late clock may have written it down as applied
# before it was committed.
_CREDITS: Final = """
SELECT r.debtor_id, r.other_creditor_id, r.change_id, r.creditor_id, r.principal_delta, (
    SELECT count(*) FROM journal j
    WHERE j.debtor_id = r.debtor_id AND j.transfer_id = r.change_id AND j.committed_at = r.committed_at AND (
            j.recipient_creditor_id = r.creditor_id AND j.sender_creditor_id = r.other_creditor_id
                AND j.amount = r.principal_delta
            OR j.sender_creditor_id = r.creditor_id AND j.recipient_creditor_id = r.other_creditor_id
                AND - j.amount = r.principal_delta))
FROM registered_balance_change r
WHERE r.committed_at >= %(start)s
    AND (%(first)s OR (r.debtor_id, r.other_creditor_id, r.change_id) > (%(debtor)s, %(other)s, %(change)s))
ORDER BY r.debtor_id, r.other_creditor_id, r.change_id LIMIT %(limit)s
"""


class Checked(msgspec.Struct, frozen=True):
    """How many rows were looked at, and what is wrong with them."""

    rows: int
    violations: Sequence[Violation]


def check_outbox(connection: Any) -> Iterator[Checked]:
    """Look at every row of the outbox, page by page."""
    after = 0
    while True:
        with connection, connection.cursor() as cursor:
            cursor.execute(_OUTBOX, [after, _OUTBOX_PAGE])
            rows = cursor.fetchall()
        if not rows:
            return
        yield Checked(len(rows), [one for row in rows for one in _wrong_in_outbox(*row)])
        after = rows[-1][0]


def _wrong_in_outbox(
    outbox_id: int,
    type_counts: dict[str, int],
    accounts: memoryview,
    payload: memoryview,
    is_set_aside: bool,
    last_failure: str | None,
) -> Iterator[Violation]:
    """Rule V14."""
    packed = bytes(payload)
    try:
        envelopes = unpack(packed)
        is_own = unpack_returned(packed) is None
        keys = pack_accounts([decode(one.body) for one in envelopes]) if is_own else b""
    except (ValueError, zlib.error, msgspec.MsgspecError) as error:
        yield _row(outbox_id, f"cannot be read: {error}")
        return
    if Counter(envelope.type for envelope in envelopes) != type_counts:
        yield _row(outbox_id, "holds other events than it says")
    if keys != bytes(accounts):
        yield _row(outbox_id, "belongs to other accounts than it says")
    if is_set_aside and last_failure != "unreadable":
        yield _row(outbox_id, "is nobody's, and will never be tried")


def _row(outbox_id: int, text: str) -> Violation:
    return Violation("V14", None, None, f"the row {outbox_id} of the outbox {text}")


def check_registry(connection: Any, start: Moment, debtor_ids: Sequence[int] = ()) -> Iterator[Checked]:
    """Look for the entry of every registered credit, page by page; the journal begins at `start`."""
    position: dict[str, Any] = {"first": True, "debtor": 0, "other": 0, "change": 0}
    while True:
        with connection, connection.cursor() as cursor:
            cursor.execute(_CREDITS, {**position, "start": start, "limit": _PAGE})
            rows = cursor.fetchall()
        if not rows:
            return
        looked_at = [row for row in rows if not debtor_ids or row[0] in debtor_ids]
        yield Checked(len(looked_at), [one for row in looked_at for one in _wrong_in_registry(*row)])
        position = {"first": False, "debtor": rows[-1][0], "other": rows[-1][1], "change": rows[-1][2]}


def _wrong_in_registry(
    debtor_id: int, other_creditor_id: int, change_id: int, creditor_id: int, delta: int, times: int
) -> Iterator[Violation]:
    """Rule V15."""
    if times != 1:
        text = f"the credit {change_id} of {delta} from {other_creditor_id} is {times} times in the journal"
        yield Violation("V15", debtor_id, creditor_id, text)
