"""Which requests wait for another shard, for whom, and since when (rules.md#waiting-requests)."""

from typing import Any, Final, NamedTuple

from swpt_accounts.wire.moments import Moment

_LIST: Final = """
SELECT debtor_id, creditor_id, coordinator_type, coordinator_id, coordinator_request_id,
    recipient_creditor_id, waiting_since, attempts, next_attempt_at
FROM waiting_request
WHERE CAST(%(debtor_id)s AS int8) IS NULL OR debtor_id = CAST(%(debtor_id)s AS int8)
ORDER BY waiting_since, debtor_id, creditor_id, coordinator_type, coordinator_id, coordinator_request_id
LIMIT %(limit)s
"""


class WaitingRequest(NamedTuple):
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


def list_waiting(connection: Any, *, debtor_id: int | None = None, limit: int = 100) -> list[WaitingRequest]:
    """The requests that have waited longest; of all currencies, or of one."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_LIST, {"debtor_id": debtor_id, "limit": limit})
        return [WaitingRequest(*row) for row in cursor.fetchall()]
