"""Why was this refused: what the batches have written down of the last days."""

from typing import Any, Final

import msgspec

from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, Moment

from .keyset import WINDOW_ROWS, Cut, Page, Position, clauses, page_of

KINDS: Final = ("transfer", "commit", "configuration")

_MOST_FOUND: Final = 100

# Which of these an index begins with, and which are looked for in a window.
_INDEXED: Final = {
    "debtor_id": "debtor_id = CAST(%(debtor_id)s AS int8)",
    "creditor_id": "creditor_id = CAST(%(creditor_id)s AS int8)",
}
_BY_REQUEST: Final = "coordinator_request_id = CAST(%(coordinator_request_id)s AS int8)"
_FILTERS: Final = {
    "kind": "kind = %(kind)s",
    "code": "code = %(code)s",
    "coordinator_type": "coordinator_type = %(coordinator_type)s",
    "coordinator_id": "coordinator_id = CAST(%(coordinator_id)s AS int8)",
}

_KEYS: Final = ("refused_at", "refusal_id")


class Refusal(msgspec.Struct, frozen=True):
    """A refused request (see `operator_models.Refusal`)."""

    refused_at: Moment
    refusal_id: int
    kind: str
    code: str
    debtor_id: int
    creditor_id: int
    coordinator_type: str | None
    coordinator_id: int | None
    coordinator_request_id: int | None
    transfer_id: int | None
    total_locked_amount: int | None
    config_ts: Moment | None
    config_seqnum: int | None
    config_flags: int | None
    negligible_amount: float | None
    config_data: str | None
    recipient: str | None
    min_locked_amount: int | None
    max_locked_amount: int | None
    committed_amount: int | None
    locked_amount: int | None
    available_amount: int | None
    pending_transfers_count: int | None
    max_prepared_transfers: int | None
    transfer_note_bytes: int | None
    transfer_note_max_bytes: int | None
    prepared_at: Moment | None
    deadline: Moment | None
    final_interest_rate_ts: Moment | None
    last_interest_rate_change_ts: Moment | None


REFUSAL_COLUMNS: Final = ", ".join(Refusal.__struct_fields__)
"""What `refusal` reads, as the columns of a SELECT."""

_LIST: Final = f"""
SELECT {REFUSAL_COLUMNS} FROM refusal
WHERE {{condition}} AND refused_at BETWEEN %(since)s AND %(until)s AND {{cut}}
ORDER BY {{order}} LIMIT %(limit)s
"""  # noqa: S608 - constants only

# What no index knows is looked for in a window, whose end is told unless it is the end of all.
_LIST_WITHIN: Final = f"""
WITH looked_at AS MATERIALIZED (
    SELECT {REFUSAL_COLUMNS} FROM refusal
    WHERE {{condition}} AND refused_at BETWEEN %(since)s AND %(until)s AND {{cut}}
    ORDER BY {{order}} LIMIT {WINDOW_ROWS})
(SELECT true, * FROM looked_at WHERE {{filter}} ORDER BY {{order}} LIMIT %(limit)s)
UNION ALL
(SELECT false, * FROM looked_at ORDER BY {{order}} LIMIT 1 OFFSET {WINDOW_ROWS - 1})
"""  # noqa: S608 - constants only

_SHOW: Final = f"""
SELECT {REFUSAL_COLUMNS} FROM refusal WHERE refused_at = %s AND refusal_id = %s
"""  # noqa: S608 - constants only

_OF_REQUEST: Final = f"""
SELECT {REFUSAL_COLUMNS} FROM refusal WHERE {_BY_REQUEST}
ORDER BY refused_at DESC, refusal_id DESC LIMIT {_MOST_FOUND}
"""  # noqa: S608 - constants only


class RefusalFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which refusals: all that is given has to be true of them."""

    debtor_id: int | None = None
    creditor_id: int | None = None
    kind: str | None = None
    code: str | None = None
    coordinator_type: str | None = None
    coordinator_id: int | None = None
    coordinator_request_id: int | None = None
    since: Moment = FIRST_MOMENT
    until: Moment = LAST_MOMENT


_ALL: Final = RefusalFilter()


def list_refusals(connection: Any, cut: Cut, limit: int, which: RefusalFilter = _ALL) -> Page[Refusal]:
    """Refusals, newest first.

    Debtors, accounts and requests have indexes.  With another filter a page looks at a bounded number of
    refusals, so that it may be short, even empty, before the end of the list.
    """
    assert which.creditor_id is None or which.debtor_id is not None, "an account belongs to a debtor"
    given = {name: value for name, value in msgspec.structs.asdict(which).items() if value is not None}
    account = [text for name, text in _INDEXED.items() if name in given]
    filters = [text for name, text in _FILTERS.items() if name in given]
    if which.coordinator_request_id is not None:
        account, filters = [_BY_REQUEST], account + filters
    cut_condition, order, values = clauses(cut, _KEYS, newest_first=True)
    query = (_LIST_WITHIN if filters else _LIST).format(
        condition=" AND ".join(account) or "true",
        filter=" AND ".join(filters),
        cut=cut_condition,
        order=order,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(query, {**given, **values, "limit": limit + 1})
        rows = cursor.fetchall()
    if not filters:
        return page_of([refusal(row) for row in rows], cut, limit, _position)
    found = [refusal(row) for is_found, *row in rows if is_found]
    end = next((_position(refusal(row)) for is_found, *row in rows if not is_found), None)
    return page_of(found, cut, limit, _position, end)


def show_refusal(connection: Any, refused_at: Moment, refusal_id: int) -> Refusal | None:
    """One refusal; None if there is none, or it was forgotten."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_SHOW, [refused_at, refusal_id])
        row = cursor.fetchone()
    return None if row is None else refusal(row)


def refusals_of_request(connection: Any, coordinator_request_id: int) -> list[Refusal]:
    """The newest refusals of requests with this id, of whichever coordinator."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_OF_REQUEST, {"coordinator_request_id": coordinator_request_id})
        return [refusal(row) for row in cursor.fetchall()]


def refusal(row: Any) -> Refusal:
    """A row of `REFUSAL_COLUMNS` as a value."""
    return Refusal(*row)


def _position(one: Refusal) -> Position:
    return one.refused_at, one.refusal_id
