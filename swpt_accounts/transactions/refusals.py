"""Writes down which requests of a batch were refused, so that operators can tell why for some days.

A batch without refusals costs a look at its events, and one with refusals a single statement.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from swpt_accounts.events import Event, FinalizedTransfer, RejectedConfig, RejectedTransfer
from swpt_accounts.wire.codes import OK
from swpt_accounts.wire.moments import Moment, parse_timestamp

# What a kind does not have is missing in its object, and NULL in the row.
_INSERT: Final = """
INSERT INTO refusal (refused_at, kind, code, debtor_id, creditor_id, coordinator_type, coordinator_id,
    coordinator_request_id, transfer_id, total_locked_amount, config_ts, config_seqnum, config_flags,
    negligible_amount, config_data)
SELECT %(now)s, r.* FROM json_to_recordset(%(refusals)s) AS r (
    kind text, code text, debtor_id int8, creditor_id int8, coordinator_type text, coordinator_id int8,
    coordinator_request_id int8, transfer_id int8, total_locked_amount int8, config_ts int8,
    config_seqnum int4, config_flags int4, negligible_amount float8, config_data text)
"""

# The first one that is too many, counted from the newest: a walk along the primary key.
_FIND_EXCESS: Final = """
SELECT refused_at FROM refusal WHERE refused_at <= %s
ORDER BY refused_at DESC, refusal_id DESC LIMIT 1 OFFSET %s
"""

_FORGET: Final = """
DELETE FROM refusal WHERE (refused_at, refusal_id) IN (
    SELECT refused_at, refusal_id FROM refusal WHERE refused_at < %s
    ORDER BY refused_at, refusal_id LIMIT %s FOR UPDATE SKIP LOCKED)
"""


# Most events of a batch are none of these.
_REFUSING: Final = frozenset((RejectedTransfer, FinalizedTransfer, RejectedConfig))


class _Refusal(msgspec.Struct, gc=False, omit_defaults=True):
    kind: str
    code: str
    debtor_id: int
    creditor_id: int
    coordinator_type: str | None = None
    coordinator_id: int | None = None
    coordinator_request_id: int | None = None
    transfer_id: int | None = None
    total_locked_amount: int | None = None
    config_ts: Moment | None = None
    config_seqnum: int | None = None
    config_flags: int | None = None
    negligible_amount: float | None = None
    config_data: str | None = None


def store_refusals(cursor: Any, events: Iterable[Event], now: Moment) -> list[str]:
    """Write down the refusals among the events of a batch; returns their codes.

    See rules.md#numbers-for-monitoring.
    """
    suspects = [event for event in events if type(event) in _REFUSING]
    refusals = [refusal for event in suspects if (refusal := _refusal(event)) is not None]
    if refusals:
        cursor.execute(_INSERT, {"now": now, "refusals": msgspec.json.encode(refusals).decode()})
    return [refusal.code for refusal in refusals]


def forget_refusals(cursor: Any, before: Moment, *, until: Moment, most_kept: int, limit: int) -> int:
    """Forget the oldest refusals: those from before a moment, and those beyond the `most_kept` newest.

    At most `limit` are forgotten at once; returns how many.  An agent that asks for the impossible all
    the time so pushes out older refusals, but fills no disk.  What comes later than `until` is counted
    the next time, so that there is an end.
    """
    cursor.execute(_FIND_EXCESS, [until, most_kept])
    excess = cursor.fetchone()
    if excess is not None:
        # Those of one instant go together.
        before = max(before, excess[0] + 1)
    cursor.execute(_FORGET, [before, limit])
    return int(cursor.rowcount)


def _refusal(event: Event) -> _Refusal | None:
    if isinstance(event, RejectedTransfer):
        return _refused_transfer("transfer", event, None)
    if isinstance(event, FinalizedTransfer) and event.status_code != OK:
        return _refused_transfer("commit", event, event.transfer_id)
    if isinstance(event, RejectedConfig):
        return _Refusal(
            "configuration",
            event.rejection_code,
            event.debtor_id,
            event.creditor_id,
            config_ts=parse_timestamp(event.config_ts),
            config_seqnum=event.config_seqnum,
            config_flags=event.config_flags,
            negligible_amount=event.negligible_amount,
            config_data=event.config_data,
        )
    return None


def _refused_transfer(
    kind: str, event: RejectedTransfer | FinalizedTransfer, transfer_id: int | None
) -> _Refusal:
    return _Refusal(
        kind,
        event.status_code,
        event.debtor_id,
        event.creditor_id,
        event.coordinator_type,
        event.coordinator_id,
        event.coordinator_request_id,
        transfer_id,
        event.total_locked_amount,
    )
