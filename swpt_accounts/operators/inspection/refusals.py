"""Why was this refused: what the batches have written down of the last days."""

from typing import Any, Final

import msgspec

from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, Moment

from .keyset import Cut, Page, Position, read_page

REFUSAL_COLUMNS: Final = """
    refused_at, refusal_id, kind, code, debtor_id, creditor_id, coordinator_type, coordinator_id,
    coordinator_request_id, transfer_id, total_locked_amount, config_ts, config_seqnum, config_flags,
    negligible_amount, config_data
"""

# Each combination has an index of its own.
_CONDITIONS: Final = (
    "true",
    "debtor_id = CAST(%(debtor_id)s AS int8)",
    "debtor_id = CAST(%(debtor_id)s AS int8) AND creditor_id = CAST(%(creditor_id)s AS int8)",
)

_LIST: Final = f"""
SELECT {REFUSAL_COLUMNS} FROM refusal
WHERE {{condition}} AND refused_at BETWEEN %(since)s AND %(until)s AND {{cut}}
ORDER BY {{order}} LIMIT %(limit)s
"""  # noqa: S608 - constants only


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


def list_refusals(
    connection: Any,
    cut: Cut,
    limit: int,
    *,
    debtor_id: int | None = None,
    creditor_id: int | None = None,
    since: Moment = FIRST_MOMENT,
    until: Moment = LAST_MOMENT,
) -> Page[Refusal]:
    """Refusals, newest first; of all accounts, of one debtor, or of one account."""
    assert creditor_id is None or debtor_id is not None, "an account belongs to a debtor"
    condition = _CONDITIONS[(debtor_id is not None) + (creditor_id is not None)]
    parameters = {"debtor_id": debtor_id, "creditor_id": creditor_id, "since": since, "until": until}
    with connection, connection.cursor() as cursor:
        page = read_page(
            cursor,
            _LIST.replace("{condition}", condition),
            parameters,
            cut,
            limit,
            keys=("refused_at", "refusal_id"),
            position_of=_position,
            newest_first=True,
        )
    return page.map(refusal)


def refusal(row: Any) -> Refusal:
    """A row of `REFUSAL_COLUMNS` as a value."""
    return Refusal(*row)


def _position(row: Any) -> Position:
    return row[0], row[1]
