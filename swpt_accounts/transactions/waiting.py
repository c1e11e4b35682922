"""Requests that wait for another shard: kept, found when it is time, put off, taken when answered.

See rules.md#waiting-requests.  A request in the table is in the hand of one process until its
`next_attempt_at`; who has stored it, or has found it due, asks for it.  If that one dies, others find it.
"""

# ruff: noqa: S608 - the texts are put together from constants only.

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from swpt_accounts.rules.facts import RequestKey, request_key
from swpt_accounts.rules.transfers import parse_recipient
from swpt_accounts.storage.arrays import arrays
from swpt_accounts.storage.prepared import Statement
from swpt_accounts.wire.messages import PrepareTransfer
from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.numbers import u64
from swpt_accounts.wire.routing import Realm

from . import columns
from . import reading as sql

_COLUMNS: Final = ", ".join(columns.WAITING_COLUMNS)
_KEY: Final = ", ".join(columns.REQUEST_KEY)

# What is due later than anything can be was written while the clock was wrong.  After a split both children
# have what waited in their parent, until the foreign part is removed; each asks only for its own.
_TAKE_DUE: Final = f"""
UPDATE waiting_request SET next_attempt_at = %(lease)s
WHERE ({_KEY}) IN (
    SELECT {_KEY} FROM waiting_request
    WHERE (next_attempt_at <= %(now)s OR next_attempt_at > %(latest)s) AND {{mine}}
    ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}, attempts
"""

_PUT_OFF: Final = Statement(
    "put_off_waiting",
    f"""
UPDATE waiting_request w SET attempts = w.attempts + 1, next_attempt_at = k.next_attempt_at
FROM {columns.unnest([*columns.REQUEST_KEY, "next_attempt_at"])}
WHERE {" AND ".join(f"w.{name} = k.{name}" for name in columns.REQUEST_KEY)}
""",
)

_GIVE_BACK: Final = Statement(
    "give_back_waiting",
    f"""
UPDATE waiting_request w SET next_attempt_at = k.next_attempt_at
FROM {columns.unnest([*columns.REQUEST_KEY, "next_attempt_at"])}
WHERE {" AND ".join(f"w.{name} = k.{name}" for name in columns.REQUEST_KEY)}
""",
)

_TAKE: Final = Statement(
    "take_waiting",
    f"""
DELETE FROM waiting_request w USING {columns.unnest(columns.REQUEST_KEY)}
WHERE {" AND ".join(f"w.{name} = k.{name}" for name in columns.REQUEST_KEY)}
RETURNING {columns.prefixed(columns.WAITING_COLUMNS, "w")}
""",
)


class Due(NamedTuple):
    """A request whose shard has to be asked (again), after so many attempts without an answer."""

    request: PrepareTransfer
    attempts: int


def waiting_row(request: PrepareTransfer) -> tuple[object, ...]:
    """A request as `columns.WAITING_COLUMNS`."""
    return (
        *request_key(request),
        parse_recipient(request.recipient),
        request.min_locked_amount,
        request.max_locked_amount,
        request.final_interest_rate_ts,
        request.max_commit_delay,
        request.ts,
    )


def _request(row: Sequence[Any]) -> PrepareTransfer:
    debtor_id, creditor_id, coordinator_type, coordinator_id, request_id, recipient_id, *terms = row
    least, most, final_interest_rate_ts, max_commit_delay, ts = terms
    return PrepareTransfer(
        debtor_id=debtor_id,
        creditor_id=creditor_id,
        coordinator_type=coordinator_type,
        coordinator_id=coordinator_id,
        coordinator_request_id=request_id,
        min_locked_amount=least,
        max_locked_amount=most,
        # It has one form only (rule P3), so that its number says it all.
        recipient=str(u64(recipient_id)),
        final_interest_rate_ts=final_interest_rate_ts,
        max_commit_delay=max_commit_delay,
        ts=ts,
    )


def load_waiting(cursor: Any, keys: Collection[RequestKey]) -> dict[RequestKey, PrepareTransfer]:
    """Those of these requests that wait (rule P1)."""
    if not keys:
        return {}
    sql.LOAD_WAITING.run(cursor, arrays(columns.REQUEST_KEY, sorted(keys)))
    return _by_key(cursor)


def take_waiting(cursor: Any, keys: Collection[RequestKey]) -> dict[RequestKey, PrepareTransfer]:
    """Remove these requests, and return those that were still there, under the locks of their senders."""
    _TAKE.run(cursor, arrays(columns.REQUEST_KEY, sorted(keys)))
    return _by_key(cursor)


def _by_key(cursor: Any) -> dict[RequestKey, PrepareTransfer]:
    return {request_key(request): request for request in map(_request, cursor.fetchall())}


def take_due(cursor: Any, realm: Realm, now: Moment, lease: Moment, latest: Moment, limit: int) -> list[Due]:
    """Take requests of a realm in hand whose time has come: nobody else does so before `lease`.

    No pause ends later than `latest`.
    """
    cursor.execute(
        _TAKE_DUE.format(mine=columns.owned(realm)),
        {"now": now, "lease": lease, "latest": latest, "limit": limit},
    )
    return [Due(_request(row[:-1]), row[-1]) for row in cursor.fetchall()]


def put_off(cursor: Any, times: Sequence[tuple[RequestKey, Moment]]) -> None:
    """Note an attempt without an answer, and when each request is asked for again."""
    rows = [(*key, at) for key, at in sorted(times)]
    _PUT_OFF.run(cursor, arrays([*columns.REQUEST_KEY, "next_attempt_at"], rows))


def give_back(cursor: Any, keys: Collection[RequestKey], now: Moment) -> None:
    """Let others ask at once for requests that this process has had in hand."""
    rows = [(*key, now) for key in sorted(keys)]
    _GIVE_BACK.run(cursor, arrays([*columns.REQUEST_KEY, "next_attempt_at"], rows))
