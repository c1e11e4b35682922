"""The form of what the server sends, read with other eyes: fields, numbers, properties, headers, keys.

See protocol.rst#messages-from-the-server, rules.md#properties-and-headers.  Nothing here is taken from the
server, so that the two can disagree.
"""

import json
import re
import struct
from datetime import date, datetime, timedelta
from typing import Any, Final

_INT, _FLOAT, _TEXT, _MOMENT, _DATE, _SHA256 = "integer", "float", "text", "moment", "date", "sha256"

_TRANSFER: Final = {
    "coordinator_type": _TEXT,
    "coordinator_id": _INT,
    "coordinator_request_id": _INT,
    "ts": _MOMENT,
}

_FIELDS: Final[dict[str, dict[str, str]]] = {
    "RejectedConfig": {
        "config_ts": _MOMENT,
        "config_seqnum": _INT,
        "config_flags": _INT,
        "negligible_amount": _FLOAT,
        "config_data": _TEXT,
        "rejection_code": _TEXT,
        "ts": _MOMENT,
    },
    "RejectedTransfer": {**_TRANSFER, "status_code": _TEXT, "total_locked_amount": _INT},
    "PreparedTransfer": {
        **_TRANSFER,
        "transfer_id": _INT,
        "locked_amount": _INT,
        "recipient": _TEXT,
        "prepared_at": _MOMENT,
        "demurrage_rate": _FLOAT,
        "deadline": _MOMENT,
        "final_interest_rate_ts": _MOMENT,
    },
    "FinalizedTransfer": {
        **_TRANSFER,
        "transfer_id": _INT,
        "committed_amount": _INT,
        "status_code": _TEXT,
        "total_locked_amount": _INT,
        "prepared_at": _MOMENT,
    },
    "AccountUpdate": {
        "creation_date": _DATE,
        "last_change_ts": _MOMENT,
        "last_change_seqnum": _INT,
        "principal": _INT,
        "interest": _FLOAT,
        "interest_rate": _FLOAT,
        "last_interest_rate_change_ts": _MOMENT,
        "last_config_ts": _MOMENT,
        "last_config_seqnum": _INT,
        "negligible_amount": _FLOAT,
        "config_flags": _INT,
        "config_data": _TEXT,
        "account_id": _TEXT,
        "debtor_info_iri": _TEXT,
        "debtor_info_content_type": _TEXT,
        "debtor_info_sha256": _SHA256,
        "last_transfer_number": _INT,
        "last_transfer_committed_at": _MOMENT,
        "demurrage_rate": _FLOAT,
        "commit_period": _INT,
        "transfer_note_max_bytes": _INT,
        "ts": _MOMENT,
        "ttl": _INT,
    },
    "AccountTransfer": {
        "creation_date": _DATE,
        "transfer_number": _INT,
        "coordinator_type": _TEXT,
        "sender": _TEXT,
        "recipient": _TEXT,
        "acquired_amount": _INT,
        "transfer_note": _TEXT,
        "transfer_note_format": _TEXT,
        "committed_at": _MOMENT,
        "principal": _INT,
        "ts": _MOMENT,
        "previous_transfer_number": _INT,
    },
    "AccountPurge": {"creation_date": _DATE, "ts": _MOMENT},
}

_JSON_STRING: Final = re.compile(r'"(?:\\.|[^"\\])*"', re.DOTALL)
_FORMS: Final = {
    _INT: re.compile(r"-?(0|[1-9][0-9]*)"),
    _FLOAT: re.compile(r"-?(0|[1-9][0-9]*)(?=[.eE])(\.[0-9]+)?([eE][-+]?[0-9]+)?"),
    _MOMENT: re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?\+00:00"),
    _DATE: re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    _SHA256: re.compile(r"([0-9A-F]{64})?"),
    _TEXT: re.compile(r".*", re.DOTALL),
}


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def check_body(body: bytes, message_type: str) -> None:
    """Every field is there and nothing else, each written as its type demands."""
    text = body.decode()
    assert not re.search(r"\s", _JSON_STRING.sub("", text)), f"white space in {text}"
    assert not re.search(r"(?<!\\)(?:\\\\)*\\u(?!00[01])", text), f"needless escapes in {text}"
    pairs = json.loads(text, parse_int=_Number, parse_float=_Number, object_pairs_hook=list)
    document: dict[str, Any] = dict(pairs)
    assert len(document) == len(pairs), f"repeated members in {text}"
    fields = {"type": _TEXT, "debtor_id": _INT, "creditor_id": _INT, **_FIELDS[message_type]}
    assert document.keys() == fields.keys()
    assert document["type"] == message_type
    for name, kind in fields.items():
        value = document[name]
        assert isinstance(value, _Number) == (kind in (_INT, _FLOAT)), f"{name}: {value!r}"
        assert _FORMS[kind].fullmatch(value), f"{name} is not written as {kind}: {value!r}"
        if kind == _MOMENT:
            assert not value.endswith(".000000+00:00")
            assert datetime.fromisoformat(value).utcoffset() == timedelta(0)
        elif kind == _DATE:
            date.fromisoformat(value)


def hex_key(number: int) -> str:
    """The key of an agent's id."""
    return struct.pack(">q", number).hex(".")


def check_address(message: dict[str, Any], exchange: str, routing_key: str) -> None:
    """The message has come through the exchange of its kind, with the key of its receiver."""
    if "coordinator_id" in message:
        expected = "to_coordinators", hex_key(message["coordinator_id"])
    elif message["creditor_id"] == 0:
        assert message["type"] != "AccountTransfer"
        expected = "to_debtors", hex_key(message["debtor_id"])
    else:
        expected = "to_creditors", hex_key(message["creditor_id"])
    assert (exchange, routing_key) == expected


# content_type, headers, delivery_mode, type, app_id
_FLAGS: Final = 1 << 15 | 1 << 13 | 1 << 12 | 1 << 5 | 1 << 3


def check_properties(raw: bytes, message: dict[str, Any]) -> None:
    """The content header has exactly what rules.md#properties-and-headers says, typed so."""
    reader = _Reader(raw)
    assert reader.take(">H") == _FLAGS
    assert reader.short_text() == "application/json"
    headers = reader.table()
    assert reader.take(">B") == 2, "delivery_mode"
    assert reader.short_text() == message["type"]
    assert reader.short_text() == "swpt_accounts"
    assert not reader.rest
    expected = {
        "message-type": ("S", message["type"]),
        "debtor-id": _typed(message["debtor_id"]),
        "creditor-id": _typed(message["creditor_id"]),
    }
    if "coordinator_id" in message:
        expected["coordinator-id"] = _typed(message["coordinator_id"])
        expected["coordinator-type"] = ("S", message["coordinator_type"])
    assert headers == expected


def _typed(number: int) -> tuple[str, Any]:
    return ("I" if -(2**31) <= number < 2**31 else "l"), number


class _Reader:
    """Reads the content header of AMQP from its bytes."""

    def __init__(self, raw: bytes) -> None:
        self.rest = raw

    def take(self, form: str) -> Any:
        size = struct.calcsize(form)
        taken, self.rest = self.rest[:size], self.rest[size:]
        return struct.unpack(form, taken)[0]

    def text(self, size: int) -> str:
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken.decode()

    def short_text(self) -> str:
        return self.text(self.take(">B"))

    def table(self) -> dict[str, tuple[str, Any]]:
        end = len(self.rest) - 4 - struct.unpack(">I", self.rest[:4])[0]
        self.take(">I")
        entries: dict[str, tuple[str, Any]] = {}
        while len(self.rest) > end:
            name, code = self.short_text(), self.text(1)
            assert name not in entries
            entries[name] = (
                code,
                (self.text(self.take(">I")) if code == "S" else self.take({"I": ">i", "l": ">q"}[code])),
            )
        return entries
