"""Bodies of incoming messages to be changed by tests."""

from typing import Final

# The members of one good message per type, each as JSON text.
GOOD: Final[dict[str, dict[str, str]]] = {
    "ConfigureAccount": {
        "type": '"ConfigureAccount"',
        "debtor_id": "-1",
        "creditor_id": "4294967297",
        "negligible_amount": "0.5",
        "config_flags": "0",
        "config_data": '""',
        "ts": '"2026-11-21T10:00:30.5+00:00"',
        "seqnum": "0",
    },
    "PrepareTransfer": {
        "type": '"PrepareTransfer"',
        "debtor_id": "-1",
        "creditor_id": "1099511627776",
        "coordinator_type": '"test"',
        "coordinator_id": "7",
        "coordinator_request_id": "1",
        "min_locked_amount": "10",
        "max_locked_amount": "20",
        "recipient": '"2"',
        "final_interest_rate_ts": '"9999-12-31T23:59:59+00:00"',
        "max_commit_delay": "2147483647",
        "ts": '"2026-11-21T10:05:00+00:00"',
    },
    "FinalizeTransfer": {
        "type": '"FinalizeTransfer"',
        "debtor_id": "-1",
        "creditor_id": "4294967297",
        "transfer_id": "22845652601929729",
        "coordinator_type": '"direct"',
        "coordinator_id": "4294967297",
        "coordinator_request_id": "2",
        "committed_amount": "1000",
        "transfer_note": '"благодаря!"',
        "transfer_note_format": '"-cXchge"',
        "ts": '"2026-11-21T10:06:00Z"',
    },
    "PendingBalanceChange": {
        "type": '"PendingBalanceChange"',
        "debtor_id": "-1",
        "creditor_id": "4294967297",
        "change_id": "22845652601929729",
        "coordinator_type": '"issuing"',
        "transfer_note": '""',
        "transfer_note_format": '""',
        "committed_at": '"2026-11-21T10:01:03.040506+00:00"',
        "principal_delta": "1000",
        "other_creditor_id": "0",
    },
}
CONFIGURE, PREPARE, FINALIZE, PENDING = GOOD
JSON: Final = "application/json"
MAX_INT64, MIN_INT64 = "9223372036854775807", "-9223372036854775808"


def body_of(message_type: str, *, without: str = "", tail: str = "", **members: str) -> bytes:
    """A good body with some members replaced, added (`tail`) or left out."""
    good = GOOD[message_type] | members
    return ("{" + ",".join(f'"{k}":{v}' for k, v in good.items() if k != without) + tail + "}").encode()
