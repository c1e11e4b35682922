"""Which requests wait for another shard, for whom, and since when (rules.md#waiting-requests)."""

from typing import Any, Final

import msgspec

from swpt_accounts.operators.inspection.keyset import Cut, Page, Position, read_page
from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.routing import binary_key

_SHOWN_KEY: Final = 15

# The type of a coordinator is a text: a number of it makes the order total.
_TYPE_NUMBER: Final = "hashtextextended(coordinator_type, 0)"

_LIST: Final = f"""
SELECT debtor_id, creditor_id, coordinator_type, coordinator_id, coordinator_request_id,
    recipient_creditor_id, waiting_since, attempts, next_attempt_at, {_TYPE_NUMBER}
FROM waiting_request
WHERE {{cut}} AND (CAST(%(debtor_id)s AS int8) IS NULL OR debtor_id = CAST(%(debtor_id)s AS int8))
ORDER BY {{order}} LIMIT %(limit)s
"""  # noqa: S608 - constants only

_KEYS: Final = [
    "waiting_since",
    "debtor_id",
    "creditor_id",
    "coordinator_id",
    "coordinator_request_id",
    _TYPE_NUMBER,
]


class WaitingRequest(msgspec.Struct, frozen=True):
    """A PrepareTransfer whose recipient lives on another shard that has not answered yet."""

    debtor_id: int
    creditor_id: int
    coordinator_type: str
    coordinator_id: int
    coordinator_request_id: int
    recipient_creditor_id: int
    waiting_since: Moment
    attempts: int
    next_attempt_at: Moment


def list_waiting(
    connection: Any, cut: Cut, limit: int, *, debtor_id: int | None = None
) -> Page[WaitingRequest]:
    """The requests that have waited longest first; of all currencies, or of one."""
    with connection, connection.cursor() as cursor:
        values = {"debtor_id": debtor_id}
        page = read_page(cursor, _LIST, values, cut, limit, keys=_KEYS, position_of=_position)
    return page.map(lambda row: WaitingRequest(*row[:-1]))


def recipient_key(request: WaitingRequest) -> str:
    """The beginning of the key of the recipient's account: that of the shard which is asked."""
    return binary_key(request.debtor_id, request.recipient_creditor_id)[:_SHOWN_KEY]


def _position(row: Any) -> Position:
    debtor_id, creditor_id, _, coordinator_id, request_id, _, since, _, _, type_number = row
    return (since, debtor_id, creditor_id, coordinator_id, request_id, type_number)
