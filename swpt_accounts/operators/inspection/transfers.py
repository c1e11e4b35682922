"""Transfers: those that are prepared, and what became of one that somebody asks about."""

from typing import Any, Final

import msgspec

from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.transactions.columns import TRANSFER_COLUMNS
from swpt_accounts.wire.codes import CT_DIRECT, CT_ISSUING
from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, MICROSECONDS_PER_DAY, Moment
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

from .keyset import WINDOW_ROWS, Cut, Page, Position, clauses, page_of
from .ledger import JOURNAL_ROW, LedgerEntry, entry
from .refusals import REFUSAL_COLUMNS, Refusal, refusal

_MOST_FOUND: Final = 100

_KEYS: Final = ("debtor_id", "creditor_id", "transfer_id")

# The planner must see the condition on the key alone, or it would not use it.
_CONDITIONS: Final = (
    "{cut}",
    "debtor_id = CAST(%(debtor_id)s AS int8) AND {cut}",
    "debtor_id = CAST(%(debtor_id)s AS int8) AND creditor_id = CAST(%(creditor_id)s AS int8) AND {cut}",
)

_LIST: Final = f"""
SELECT {", ".join(TRANSFER_COLUMNS)} FROM prepared_transfer WHERE {{condition}}
ORDER BY {{order}} LIMIT %(limit)s
"""  # noqa: S608 - constants only

# No index knows deadlines: the overdue ones of a window, and where that ends unless it is the end of all.
_LIST_OVERDUE: Final = f"""
WITH looked_at AS MATERIALIZED (
    SELECT {", ".join(TRANSFER_COLUMNS)} FROM prepared_transfer WHERE {{condition}}
    ORDER BY {{order}} LIMIT {WINDOW_ROWS})
(SELECT true, * FROM looked_at WHERE deadline < %(overdue_at)s ORDER BY {{order}} LIMIT %(limit)s)
UNION ALL
(SELECT false, * FROM looked_at ORDER BY {{order}} LIMIT 1 OFFSET {WINDOW_ROWS - 1})
"""  # noqa: S608 - constants only

_REQUEST: Final = """
coordinator_request_id = CAST(%(coordinator_request_id)s AS int8)
AND coordinator_id = CAST(%(coordinator_id)s AS int8) AND coordinator_type = %(coordinator_type)s
"""

_SENDER: Final = "debtor_id = CAST(%(debtor_id)s AS int8) AND creditor_id = CAST(%(creditor_id)s AS int8)"

_FIND_PREPARED: Final = f"""
SELECT {", ".join(TRANSFER_COLUMNS)} FROM prepared_transfer WHERE {_SENDER} AND {{which}} LIMIT {_MOST_FOUND}
"""  # noqa: S608 - constants only

_FIND_COMMITTED: Final = f"""
SELECT {JOURNAL_ROW} FROM journal
WHERE debtor_id = CAST(%(debtor_id)s AS int8) AND sender_creditor_id = CAST(%(creditor_id)s AS int8)
    AND applied_at BETWEEN %(since)s AND %(until)s AND {{which}}
ORDER BY applied_at DESC LIMIT {_MOST_FOUND}
"""  # noqa: S608 - constants only

_FIND_REFUSED: Final = f"""
SELECT {REFUSAL_COLUMNS} FROM refusal
WHERE {_SENDER} AND refused_at BETWEEN %(since)s AND %(until)s AND {{which}}
ORDER BY refused_at DESC LIMIT {_MOST_FOUND}
"""  # noqa: S608 - constants only

# No index begins with transfer ids, which are unique for each sender only.
_SENDERS: Final = f"""
SELECT debtor_id, creditor_id FROM (
    SELECT debtor_id, creditor_id, transfer_id FROM prepared_transfer
    ORDER BY debtor_id, creditor_id, transfer_id LIMIT {WINDOW_ROWS}) AS first
WHERE transfer_id = CAST(%(transfer_id)s AS int8)
UNION
SELECT debtor_id, sender_creditor_id FROM (
    SELECT debtor_id, sender_creditor_id, transfer_id FROM journal WHERE applied_at >= %(since)s
    ORDER BY applied_at DESC, journal_id DESC LIMIT {WINDOW_ROWS}) AS latest
WHERE transfer_id = CAST(%(transfer_id)s AS int8)
ORDER BY 1, 2 LIMIT {_MOST_FOUND}
"""  # noqa: S608 - constants only


MOST_PREPARED_SEARCHED: Final = 200_000
"""How many prepared transfers are looked through for a request of which nothing else is known."""

# In the order in which they lie, which is the quickest.
_REQUESTED: Final = f"""
SELECT debtor_id, creditor_id, transfer_id FROM (
    SELECT debtor_id, creditor_id, transfer_id, coordinator_request_id FROM prepared_transfer
    LIMIT {MOST_PREPARED_SEARCHED}) AS first
WHERE coordinator_request_id = CAST(%(coordinator_request_id)s AS int8)
UNION
SELECT debtor_id, sender_creditor_id, transfer_id FROM (
    SELECT debtor_id, sender_creditor_id, transfer_id, coordinator_request_id FROM journal
    WHERE transfer_id <> 0 ORDER BY applied_at DESC, journal_id DESC LIMIT {WINDOW_ROWS}) AS latest
WHERE coordinator_request_id = CAST(%(coordinator_request_id)s AS int8)
ORDER BY 1, 2, 3 LIMIT {_MOST_FOUND}
"""  # noqa: S608 - constants only


class Request(msgspec.Struct, frozen=True):
    """What a coordinator calls a transfer."""

    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int


class FoundTransfer(msgspec.Struct, frozen=True):
    """All that is known of a transfer: a coordinator may use the name of a request again."""

    prepared: list[PreparedTransfer]
    committed: list[LedgerEntry]
    refused: list[Refusal]


def list_prepared(
    connection: Any,
    cut: Cut,
    limit: int,
    *,
    debtor_id: int | None = None,
    creditor_id: int | None = None,
    overdue_at: Moment | None = None,
) -> Page[PreparedTransfer]:
    """Prepared transfers by debtor, sender and id; of all, of one debtor, or of one sender.

    With `overdue_at` only those whose deadline was before; such a page looks at a bounded number of
    transfers, so that it may be short, even empty, before the end of the list.
    """
    assert creditor_id is None or debtor_id is not None, "a sender belongs to a debtor"
    condition = _CONDITIONS[(debtor_id is not None) + (creditor_id is not None)]
    cut_condition, order, values = clauses(cut, _KEYS, newest_first=False)
    parameters: dict[str, Any] = {"debtor_id": debtor_id, "creditor_id": creditor_id, **values}
    query = (_LIST if overdue_at is None else _LIST_OVERDUE).format(
        condition=condition.format(cut=cut_condition), order=order
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(query, parameters | {"limit": limit + 1, "overdue_at": overdue_at})
        rows = cursor.fetchall()
    if overdue_at is None:
        return page_of([PreparedTransfer(*row) for row in rows], cut, limit, _position)
    found = [PreparedTransfer(*row) for is_found, *row in rows if is_found]
    end = next((_position(PreparedTransfer(*row)) for is_found, *row in rows if not is_found), None)
    return page_of(found, cut, limit, _position, end)


def known_sender(debtor_id: int, request: Request) -> int | None:
    """The sender that the coordinator's type names (protocol.rst#coordinator-types); None if it does not."""
    if request.coordinator_type == CT_DIRECT:
        return request.coordinator_id
    is_issuing = request.coordinator_type == CT_ISSUING and request.coordinator_id == debtor_id
    return ROOT_CREDITOR_ID if is_issuing else None


def find_transfer(
    connection: Any,
    debtor_id: int,
    creditor_id: int,
    which: int | Request,
    *,
    since: Moment = FIRST_MOMENT,
    until: Moment = LAST_MOMENT,
) -> FoundTransfer:
    """What became of a transfer of this sender, named by its id or by its coordinator's request.

    The moments are those of application or refusal; the shorter the time, the quicker the answer.
    """
    parameters: dict[str, Any] = {"debtor_id": debtor_id, "creditor_id": creditor_id, "until": until}
    if isinstance(which, Request):
        condition = _REQUEST
        parameters |= msgspec.structs.asdict(which)
    else:
        condition = "transfer_id = CAST(%(transfer_id)s AS int8)"
        parameters["transfer_id"] = which
        since = max(since, _first_day(which))
    parameters["since"] = since
    with connection, connection.cursor() as cursor:
        cursor.execute(_FIND_PREPARED.format(which=condition), parameters)
        prepared = [PreparedTransfer(*row) for row in cursor.fetchall()]
        cursor.execute(_FIND_REFUSED.format(which=condition), parameters)
        refused = [refusal(row) for row in cursor.fetchall()]
        cursor.execute(_FIND_COMMITTED.format(which=condition), parameters)
        committed = [entry(row, creditor_id) for row in cursor.fetchall()]
    return FoundTransfer(prepared, committed, refused)


def senders_of(connection: Any, transfer_id: int) -> list[tuple[int, int]]:
    """Debtors and senders of transfers with this id, among the latest committed and the first prepared ones.

    It looks at `WINDOW_ROWS` of each kind.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(_SENDERS, {"transfer_id": transfer_id, "since": _first_day(transfer_id)})
        found: list[tuple[int, int]] = cursor.fetchall()
    return found


def transfers_of_request(connection: Any, coordinator_request_id: int) -> list[tuple[int, int, int]]:
    """Debtors, senders and ids of transfers that a coordinator has asked for by this id.

    It looks at `MOST_PREPARED_SEARCHED` prepared ones, and at the latest `WINDOW_ROWS` committed ones.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(_REQUESTED, {"coordinator_request_id": coordinator_request_id})
        found: list[tuple[int, int, int]] = cursor.fetchall()
    return found


def _first_day(transfer_id: int) -> Moment:
    """No transfer is applied before the day that its id names (rules.md#ids-of-transfers)."""
    return min(transfer_id >> 40, LAST_MOMENT // MICROSECONDS_PER_DAY) * MICROSECONDS_PER_DAY


def _position(transfer: PreparedTransfer) -> Position:
    return transfer.debtor_id, transfer.creditor_id, transfer.transfer_id
