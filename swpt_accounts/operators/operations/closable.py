"""Which month of the journal can be closed, and why not (rules.md#closed-months)."""

from typing import Any, Final

import msgspec

from swpt_accounts.operators.inspection.closed_months import ClosedMonth, read_closed_months
from swpt_accounts.rules.seal import Place
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.partitions import (
    DEFAULT,
    Month,
    find_strays,
    journal_start,
    partition_months,
    partition_names,
)
from swpt_accounts.storage.sealed_rows import read_last
from swpt_accounts.wire.moments import Moment, from_datetime, render_timestamp

_TAKE_TURN: Final = "SELECT pg_try_advisory_xact_lock(hashtext('swpt_accounts journal closing'))"
_IS_OWNER: Final = """
SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'journal'::regclass
"""
# The second condition is for the index.
_UNSEALED: Final = """
SELECT EXISTS (SELECT 1 FROM journal WHERE applied_at < {ends} AND written_by >= {place.written_by}
    AND (written_by, applied_at) >= ({place.written_by}, {place.applied_at}))
"""
# A clock that is right applies nothing before it was committed.
_REGISTERED: Final = """
SELECT max(r.committed_at) FROM journal j JOIN registered_balance_change r
    ON r.debtor_id = j.debtor_id AND r.change_id = j.transfer_id AND r.committed_at = j.committed_at
    AND (r.creditor_id = j.sender_creditor_id AND r.other_creditor_id = j.recipient_creditor_id
        OR r.creditor_id = j.recipient_creditor_id AND r.other_creditor_id = j.sender_creditor_id)
WHERE j.applied_at < %(ends)s AND j.committed_at >= %(ends)s
"""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """What leaves the journal with a month: all that it knows of before `ends`."""

    month: Month
    starts: Moment
    ends: Moment
    """The beginning of the next month that there is, where opening balances can stand."""

    place: Place
    """All of it was sealed, up to here."""

    others: list[str]
    """The partitions beside that of the month in which a wrong clock may have written such rows."""


def find_closed(cursor: Any, month: Month) -> ClosedMonth | None:
    """What is known of a closed month."""
    start = from_datetime(month.start)
    return next((one for one in read_closed_months(cursor) if one.starts_at == start), None)


def find_span(cursor: Any, month: Month, closed_before: Moment) -> Span:
    """What leaves with the month.  Raises OperatorError if it can not be closed."""
    if not _ask(cursor, _TAKE_TURN):
        raise OperatorError("another `swpt-accounts journal close-month` is at work: wait for its end")
    if (found := find_closed(cursor, month)) is not None:
        raise OperatorError(
            f"{month} is closed already; the SHA-256 of its archive is {found.archive_sha256}"
        )
    if not _ask(cursor, _IS_OWNER):
        raise OperatorError("only the owner of the tables closes a month: use its POSTGRES_URL")
    ends = _find_end(cursor, month)
    if ends > closed_before:
        shown = render_timestamp(closed_before)
        raise OperatorError(
            f"{month} is too young: only months that ended before {shown} are closed, because the server may"
            " still ask the journal for credits that are younger than CREDIT_SAFE_AGE"
        )
    starts = _find_start(cursor, month)
    last = read_last(cursor)
    place = Place(0) if last is None else last.ends
    if has_unsealed(cursor, ends, place):
        raise OperatorError(f"{month} is not sealed completely: let the chores run, and try again")
    _refuse_registered(cursor, ends)
    earlier = [one.name for one in partition_months(cursor) if one.start < month.start]
    defaults = [DEFAULT] if DEFAULT in partition_names(cursor) else []
    return Span(month=month, starts=starts, ends=ends, place=place, others=earlier + defaults)


def has_unsealed(cursor: Any, ends: Moment, place: Place) -> bool:
    """Whether the journal has rows of before `ends` that are not sealed up to a place."""
    return bool(_ask(cursor, _UNSEALED.format(ends=ends, place=place)))


def _find_end(cursor: Any, month: Month) -> Moment:
    """The beginning of the next month that there is; after a long rest of the server some are missing."""
    months = partition_months(cursor)
    if month.name not in {one.name for one in months}:
        raise OperatorError(
            f"the journal has no month {month}; if the default partition holds its rows,"
            " `swpt-accounts journal tidy` makes one"
        )
    following = next((one for one in months if one.start > month.start), None)
    if following is None:
        raise OperatorError(f"the month after {month} has no partition, where opening balances could stand")
    if any(month.start < one.start < following.start for one in find_strays(cursor)):
        raise OperatorError(
            f"the default partition holds rows of between {month} and {following}:"
            " `swpt-accounts journal tidy` gives them their places"
        )
    return from_datetime(following.start)


def _find_start(cursor: Any, month: Month) -> Moment:
    """Where the journal begins, which has to be this month."""
    start = journal_start(cursor)
    assert start is not None, "there is this month"
    opened = next(one for one in partition_months(cursor) if from_datetime(one.end) > start)
    if month.start < opened.start:
        raise OperatorError(
            f"{month} is from before the journal begins: what a wrong clock has written there leaves it with"
            f" the next month that is closed, {opened}"
        )
    if opened.start != month.start:
        raise OperatorError(f"older months come first: close {opened}")
    return start


def _refuse_registered(cursor: Any, ends: Moment) -> None:
    """A credit that a late clock has applied long ago is remembered by the registry for a while (V15)."""
    cursor.execute(_REGISTERED, {"ends": ends})
    committed_at = cursor.fetchone()[0]
    if committed_at is not None:
        raise OperatorError(
            "a late clock has applied credits of other shards here that the registry still knows, the last"
            f" committed at {render_timestamp(committed_at)}: wait until that is CREDIT_SAFE_AGE ago"
        )


def _ask(cursor: Any, query: str) -> Any:
    cursor.execute(query)
    return cursor.fetchone()[0]
