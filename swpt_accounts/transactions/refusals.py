"""Writes down which requests of a batch were refused, so that operators can see why for some days.

A batch without refusals costs nothing, and one with refusals a single statement.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from swpt_accounts.rules.refusals import Refusal
from swpt_accounts.wire.moments import Moment

# What a kind does not have is missing in its object, and NULL in the row.
# The columns of `operator_models.Refusal` that a batch fills, in the words of `rules.refusals.Refusal`.
_COLUMNS: Final = {
    "kind": "text",
    "code": "text",
    "debtor_id": "int8",
    "creditor_id": "int8",
    "coordinator_type": "text",
    "coordinator_id": "int8",
    "coordinator_request_id": "int8",
    "transfer_id": "int8",
    "total_locked_amount": "int8",
    "config_ts": "int8",
    "config_seqnum": "int4",
    "config_flags": "int4",
    "negligible_amount": "float8",
    "config_data": "text",
    "recipient": "text",
    "min_locked_amount": "int8",
    "max_locked_amount": "int8",
    "committed_amount": "int8",
    "locked_amount": "int8",
    "available_amount": "int8",
    "pending_transfers_count": "int4",
    "max_prepared_transfers": "int4",
    "transfer_note_bytes": "int4",
    "transfer_note_max_bytes": "int4",
    "prepared_at": "int8",
    "deadline": "int8",
    "final_interest_rate_ts": "int8",
    "last_interest_rate_change_ts": "int8",
}

_INSERT: Final = f"""
INSERT INTO refusal (refused_at, {", ".join(_COLUMNS)})
SELECT %(now)s, r.* FROM json_to_recordset(%(refusals)s) AS r (
    {", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())})
"""  # noqa: S608 - constants only

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


def store_refusals(cursor: Any, refusals: Sequence[Refusal], now: Moment) -> None:
    """Write down the refusals of a batch (rules.md#numbers-for-monitoring)."""
    if refusals:
        cursor.execute(_INSERT, {"now": now, "refusals": msgspec.json.encode(refusals).decode()})


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
