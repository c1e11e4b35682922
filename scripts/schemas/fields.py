"""The schema of each kind of field, with all limits that JSON Schema can express.

What it cannot: that an integer is not written as `12.0`, that a text is counted in bytes of UTF-8,
that no string holds a lone surrogate, that moments and days exist in the calendar.
"""

from typing import Any, Final, TypeAlias

from swpt_accounts.rules.root_config import DEBTOR_INFO_TYPE, ROOT_CONFIG_TYPE, SHA256
from swpt_accounts.wire import codes, numbers
from swpt_accounts.wire.messages import fields

Schema: TypeAlias = dict[str, Any]

_TEXT: Final = r"^[^\u0000]*$"
_ASCII: Final = r"^[\u0001-\u007F]*$"
_OFFSET: Final = r"(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
_DAY: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"


def _integer(low: int, high: int, description: str = "") -> Schema:
    schema: Schema = {"type": "integer", "minimum": low, "maximum": high}
    return {**schema, "description": description} if description else schema


def _text(most: int, pattern: str, description: str, least: int = 0) -> Schema:
    schema: Schema = {"type": "string", "maxLength": most, "pattern": pattern, "description": description}
    return {**schema, "minLength": least} if least else schema


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


INT32: Final = _integer(numbers.MIN_INT32, numbers.MAX_INT32)
INT64: Final = _integer(numbers.MIN_INT64, numbers.MAX_INT64)
AMOUNT: Final = _integer(0, numbers.MAX_INT64)
DELTA: Final = {**_integer(-numbers.MAX_INT64, numbers.MAX_INT64), "not": {"const": 0}}
SECONDS: Final = _integer(0, numbers.MAX_INT32, "Seconds.")
NUMBER: Final = _integer(0, numbers.MAX_INT64, "Counts the transfers of an account; 0 means none.")
NOT_NEGATIVE: Final[Schema] = {"type": "number", "minimum": 0}
REAL: Final[Schema] = {"type": "number"}
RATE: Final[Schema] = {"type": "number", "minimum": -100, "description": "Percent per year."}
CONFIG_DATA: Final = _text(numbers.MAX_CONFIG_DATA_BYTES, _TEXT, "At most 2000 bytes of UTF-8.")
NOTE: Final = _text(numbers.MAX_TRANSFER_NOTE_BYTES, _TEXT, "At most 500 bytes of UTF-8.")
NOTE_FORMAT: Final = _text(8, r"^[0-9A-Za-z.-]{0,8}$", "Letters, digits, points and hyphens.")
COORDINATOR_TYPE: Final = _text(30, r"^[ -~]{1,30}$", "Printable ASCII characters.", least=1)
PARTY: Final = _text(100, _ASCII, "The public identifier of an account.")
TIMESTAMP: Final[Schema] = {
    "type": "string",
    "pattern": f"^{_DAY}T{_TIME}{_OFFSET}$",
    "description": "A moment with an offset, of the years 1 to 9999; digits after the sixth are dropped.",
}
MOMENT: Final[Schema] = {
    "type": "string",
    "format": "date-time",
    "pattern": rf"^{_DAY}T([01][0-9]|2[0-3])(:[0-5][0-9]){{2}}(\.[0-9]{{6}})?\+00:00$",
}
DATE: Final[Schema] = {"type": "string", "format": "date", "pattern": f"^{_DAY}$"}
STATUS: Final = _one_of(
    codes.OK,
    codes.SENDER_IS_UNREACHABLE,
    codes.RECIPIENT_IS_UNREACHABLE,
    codes.RECIPIENT_SAME_AS_SENDER,
    codes.NEWER_INTEREST_RATE,
    codes.INSUFFICIENT_AVAILABLE_AMOUNT,
    codes.TOO_MANY_TRANSFERS,
    codes.TIMEOUT,
    codes.TRANSFER_NOTE_IS_TOO_LONG,
)

INCOMING: Final[dict[object, Schema]] = {
    fields.Int32: INT32,
    fields.Int64: INT64,
    fields.Delay: SECONDS,
    fields.Amount: AMOUNT,
    fields.Delta: DELTA,
    fields.NegligibleAmount: NOT_NEGATIVE,
    fields.ConfigData: CONFIG_DATA,
    fields.TransferNote: NOTE,
    fields.TransferNoteFormat: NOTE_FORMAT,
    fields.CoordinatorType: COORDINATOR_TYPE,
    fields.Recipient: PARTY,
    fields.Timestamp: TIMESTAMP,
}
"""By the annotation of the field, which the decoder goes by."""

OUTGOING: Final[dict[str, Schema]] = {
    **dict.fromkeys(
        ("debtor_id", "creditor_id", "transfer_id", "coordinator_id", "coordinator_request_id", "principal"),
        INT64,
    ),
    **dict.fromkeys(("change_id", "other_creditor_id", "acquired_amount"), INT64),
    **dict.fromkeys(("total_locked_amount", "locked_amount", "committed_amount"), AMOUNT),
    **dict.fromkeys(("config_seqnum", "config_flags", "last_change_seqnum", "last_config_seqnum"), INT32),
    **dict.fromkeys(("last_transfer_number", "previous_transfer_number"), NUMBER),
    **dict.fromkeys(("commit_period", "ttl"), SECONDS),
    **dict.fromkeys(("interest_rate", "demurrage_rate"), RATE),
    **dict.fromkeys(("sender", "recipient", "account_id"), PARTY),
    **dict.fromkeys(
        (
            *("ts", "config_ts", "prepared_at", "deadline", "final_interest_rate_ts", "committed_at"),
            *("last_change_ts", "last_interest_rate_change_ts", "last_config_ts"),
            "last_transfer_committed_at",
        ),
        MOMENT,
    ),
    "transfer_number": {**NUMBER, "minimum": 1},
    "principal_delta": DELTA,
    "creation_date": DATE,
    "negligible_amount": NOT_NEGATIVE,
    "interest": REAL,
    "transfer_note_max_bytes": _integer(0, numbers.MAX_TRANSFER_NOTE_BYTES),
    "config_data": CONFIG_DATA,
    "transfer_note": NOTE,
    "transfer_note_format": NOTE_FORMAT,
    "coordinator_type": COORDINATOR_TYPE,
    "rejection_code": _one_of(codes.INVALID_CONFIGURATION),
    "status_code": STATUS,
    "debtor_info_iri": _text(200, _TEXT, "Empty if there is none."),
    "debtor_info_content_type": _text(100, _ASCII, "Empty if it is not known."),
    "debtor_info_sha256": _text(64, rf"^({SHA256.pattern})?$", "Empty if it is not known."),
}
"""By the name of the field: the server writes what it has checked long before."""

ROOT_CONFIG: Final[dict[str, Schema]] = {
    "type": {"type": "string", "pattern": f"^{ROOT_CONFIG_TYPE.pattern}$"},
    "rate": {
        "type": "number",
        "minimum": numbers.MIN_INTEREST_RATE,
        "maximum": numbers.MAX_INTEREST_RATE,
        "default": 0.0,
        "description": "Percent per year.",
    },
    "limit": {**AMOUNT, "default": numbers.MAX_INT64, "description": "At most so much is issued."},
    "info": {
        "type": "object",
        "properties": {
            "type": {"type": "string", "pattern": f"^{DEBTOR_INFO_TYPE.pattern}$"},
            "iri": _text(200, _TEXT, "Where the document about the currency is found.", least=1),
            "contentType": {**_text(100, _ASCII, "Its type."), "default": ""},
            "sha256": {"type": "string", "pattern": f"^{SHA256.pattern}$", "description": "Its digest."},
        },
        "required": ["iri"],
    },
}
