"""The ledger of an account, and its principal at a past moment: both read from the journal.

The journal knows moments of application, and principals, but not the interest between two payments.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from swpt_accounts.rules.openings import OPENING
from swpt_accounts.storage.arrays import int_array
from swpt_accounts.storage.partitions import archived_until, journal_start
from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, Moment

from .keyset import Cut, Page, Position, read_page


class _Row(NamedTuple):
    """A row of the journal: the names are those of its columns, and put into the SQL from here."""

    applied_at: Moment
    journal_id: int
    debtor_id: int
    sender_creditor_id: int
    recipient_creditor_id: int
    amount: int
    sender_principal: int | None
    recipient_principal: int | None
    sender_created_at: Moment | None
    recipient_created_at: Moment | None
    sender_transfer_number: int
    recipient_transfer_number: int
    committed_at: Moment
    transfer_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    transfer_note_format: str
    transfer_note: str


JOURNAL_ROW: Final = ", ".join(_Row._fields)
"""What `entry` and `sender_entry` read, as the columns of a SELECT."""

# Each side has an index of its own.  The limits stand inside as well, so that neither is read to its end.
_SIDE: Final = """
(SELECT {columns} FROM journal
 WHERE debtor_id = CAST(%(debtor_id)s AS int8) AND {side}_creditor_id = CAST(%(creditor_id)s AS int8)
   AND {once} AND applied_at BETWEEN %(since)s AND %(until)s AND {{cut}}
 ORDER BY {{order}} LIMIT %(limit)s)
"""
_LEDGER: Final = (
    # An opening balance has the account on both sides.
    _SIDE.format(columns=JOURNAL_ROW, side="sender", once="sender_creditor_id <> recipient_creditor_id")
    + "UNION ALL"
    + _SIDE.format(columns=JOURNAL_ROW, side="recipient", once="true")
    + "ORDER BY {order} LIMIT %(limit)s"
)

_KEYS: Final = ("applied_at", "journal_id")

# The entry of an account that is next to a moment, on either side of the transfer.
_NEXT_TO: Final = """
(SELECT * FROM (
    (SELECT applied_at, journal_id, sender_principal AS principal, amount, sender_created_at AS created_at,
         coordinator_type
     FROM journal
     WHERE debtor_id = CAST(%(debtor_id)s AS int8) AND sender_creditor_id = CAST(%(creditor_id)s AS int8)
       AND applied_at {which}
     ORDER BY applied_at {order}, journal_id {order} LIMIT 1)
    UNION ALL
    (SELECT applied_at, journal_id, recipient_principal, -amount, recipient_created_at, coordinator_type
     FROM journal
     WHERE debtor_id = CAST(%(debtor_id)s AS int8) AND recipient_creditor_id = CAST(%(creditor_id)s AS int8)
       AND applied_at {which}
     ORDER BY applied_at {order}, journal_id {order} LIMIT 1)
 ) AS sides ORDER BY applied_at {order}, journal_id {order} LIMIT 1)
"""

# One statement for all points of a plot: two steps down an index for each.
_LAST_BEFORE: Final = f"""
SELECT m.at, e.principal, e.applied_at, e.created_at
FROM unnest(CAST(%(moments)s AS int8[])) AS m (at)
LEFT JOIN LATERAL {_NEXT_TO.format(which="<= m.at", order="DESC")} AS e ON true
ORDER BY m.at
"""  # noqa: S608 - constants only

_FIRST: Final = f"""
SELECT e.principal + e.amount, e.coordinator_type FROM {_NEXT_TO.format(which="> 0", order="ASC")} AS e
"""  # noqa: S608 - constants only

_ACCOUNT: Final = """
SELECT created_at, principal FROM account
WHERE debtor_id = CAST(%(debtor_id)s AS int8) AND creditor_id = CAST(%(creditor_id)s AS int8)
"""


class LedgerEntry(msgspec.Struct, frozen=True):
    """A committed transfer as one of its parties sees it.

    `acquired_amount` is negative for the sender.  `transfer_number` is 0 if no AccountTransfer was sent to
    this party.  `other_principal` is none if the other party is on another shard.
    """

    applied_at: Moment
    journal_id: int
    debtor_id: int
    creditor_id: int
    other_creditor_id: int
    acquired_amount: int
    principal: int | None
    other_principal: int | None
    account_created_at: Moment | None
    transfer_number: int
    committed_at: Moment
    transfer_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    transfer_note_format: str
    transfer_note: str


class PastPrincipal(msgspec.Struct, frozen=True):
    """A principal at a past moment.

    `principal` is none if nobody knows it: the account did not exist, or the journal does not reach back.
    `applied_at` is when it was last changed before, if the journal knows.
    """

    at: Moment
    principal: int | None
    applied_at: Moment | None


def read_archived_until(connection: Any) -> Moment | None:
    """Up to which moment entries are in archives, and not in the journal any more; None if all are here."""
    with connection, connection.cursor() as cursor:
        return archived_until(cursor)


def list_entries(
    connection: Any,
    debtor_id: int,
    creditor_id: int,
    cut: Cut,
    limit: int,
    *,
    since: Moment = FIRST_MOMENT,
    until: Moment = LAST_MOMENT,
    newest_first: bool = True,
) -> Page[LedgerEntry]:
    """Entries of an account, by moment of application, within a range of moments (ends included)."""
    since, until = _narrowed(cut, since, until, newest_first=newest_first)
    parameters = {"debtor_id": debtor_id, "creditor_id": creditor_id, "since": since, "until": until}
    with connection, connection.cursor() as cursor:
        page = read_page(
            cursor,
            _LEDGER,
            parameters,
            cut,
            limit,
            keys=_KEYS,
            position_of=_position,
            newest_first=newest_first,
        )
    return page.map(lambda row: entry(row, creditor_id))


def principal_at(connection: Any, debtor_id: int, creditor_id: int, at: Moment) -> PastPrincipal:
    """The principal of an account right after everything that was applied up to this moment."""
    with connection, connection.cursor() as cursor:
        [found] = _principals(cursor, debtor_id, creditor_id, [at])
    return found


def principals_over(
    connection: Any, debtor_id: int, creditor_id: int, since: Moment, until: Moment, points: int
) -> list[PastPrincipal]:
    """The principal at so many moments, at equal distances, from `since` to `until`; for a plot."""
    assert points > 1, "the doors check it"
    moments = [since + (until - since) * number // (points - 1) for number in range(points)]
    with connection, connection.cursor() as cursor:
        return _principals(cursor, debtor_id, creditor_id, moments)


def entry(row: Sequence[Any], creditor_id: int) -> LedgerEntry:
    """A row of the journal (all of `JOURNAL_ROW`) as its party with this id sees it."""
    one = _Row(*row)
    return sender_entry(row) if one.sender_creditor_id == creditor_id else _recipient_entry(one)


def sender_entry(row: Sequence[Any]) -> LedgerEntry:
    """A row of the journal (all of `JOURNAL_ROW`) as its sender sees it."""
    one = _Row(*row)
    return LedgerEntry(
        creditor_id=one.sender_creditor_id,
        other_creditor_id=one.recipient_creditor_id,
        acquired_amount=-one.amount,
        principal=one.sender_principal,
        other_principal=one.recipient_principal,
        account_created_at=one.sender_created_at,
        transfer_number=one.sender_transfer_number,
        **_shared(one),
    )


def _recipient_entry(one: _Row) -> LedgerEntry:
    return LedgerEntry(
        creditor_id=one.recipient_creditor_id,
        other_creditor_id=one.sender_creditor_id,
        acquired_amount=one.amount,
        principal=one.recipient_principal,
        other_principal=one.sender_principal,
        account_created_at=one.recipient_created_at,
        transfer_number=one.recipient_transfer_number,
        **_shared(one),
    )


def _shared(one: _Row) -> dict[str, Any]:
    """What both parties see."""
    return {name: getattr(one, name) for name in _SHARED}


_SHARED: Final = tuple(name for name in _Row._fields if name in LedgerEntry.__struct_fields__)


def _principals(
    cursor: Any, debtor_id: int, creditor_id: int, moments: Sequence[Moment]
) -> list[PastPrincipal]:
    parameters = {"debtor_id": debtor_id, "creditor_id": creditor_id, "moments": int_array(moments)}
    cursor.execute(_ACCOUNT, parameters)
    account = cursor.fetchone()
    cursor.execute(_LAST_BEFORE, parameters)
    rows = cursor.fetchall()
    at_birth = None if account is None else _principal_at_birth(cursor, account, parameters)
    found = []
    for at, principal, applied_at, created_at in rows:
        is_alive = account is not None and account[0] <= at
        if applied_at is not None and not (is_alive and created_at != account[0]):
            found.append(PastPrincipal(at, principal, applied_at))
        else:
            # Nothing has happened in this life of the account, as far as the journal knows.
            found.append(PastPrincipal(at, at_birth if is_alive else None, None))
    return found


def _principal_at_birth(cursor: Any, account: Any, parameters: Mapping[str, Any]) -> int:
    """The principal before everything that the journal knows of this account.

    If the journal does not reach back to its creation, or begins with an opening balance, it follows from
    the first entry, or is the present one if there is none.
    """
    created_at, principal = account
    cursor.execute(_FIRST, parameters)
    row = cursor.fetchone()
    is_opened = row is not None and row[1] == OPENING
    if not is_opened and _is_known_since(cursor, created_at):
        return 0
    return int(principal if row is None else row[0])


def _is_known_since(cursor: Any, moment: Moment) -> bool:
    start = journal_start(cursor)
    return start is not None and start <= moment


def _narrowed(cut: Cut, since: Moment, until: Moment, *, newest_first: bool) -> tuple[Moment, Moment]:
    """The range without what lies on the other side of the cut, so that its partitions are left out."""
    if cut.position is None:
        return since, until
    if newest_first != cut.is_backward:
        return since, min(until, cut.position[0])
    return max(since, cut.position[0]), until


def _position(row: Any) -> Position:
    return row[0], row[1]
