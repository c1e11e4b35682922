"""The slow way: reads a body check by check, and so defines what a well-formed one is."""

import json
import math
import re
from typing import Any, Final, NoReturn, get_type_hints

import msgspec

from swpt_client.limits import MAX_NESTING_LEVELS, OK

from .fields import PREDICATES, Timestamp, is_sha256, is_transfer_note_format, read_timestamp
from .shapes import SERVER_MESSAGE_TYPES, AccountTransfer, AccountUpdate, RejectedTransfer, ServerMessage


class Undecodable(msgspec.Struct, frozen=True):
    """Why a message cannot be taken; it belongs to the dead letters.

    `reason` is one of too_large, bad_content_type, unknown_type, bad_encoding, too_deep,
    bad_json, not_an_object, type_mismatch, bad_field, bad_combination; the first check that
    fails gives it.  `detail` never shows the content of notes and configurations.
    """

    reason: str
    detail: str


class _Digits(msgspec.Struct, frozen=True):
    """An integer that is out of the range of all integer fields; only a float field can take it."""

    text: str


_PREDICATES: Final = {
    kind: tuple((field, *PREDICATES[field]) for field in kind.__struct_fields__ if field in PREDICATES)
    for kind in SERVER_MESSAGE_TYPES.values()
}
_HINTS: Final[dict[str, dict[str, Any]]] = {
    name: get_type_hints(kind, include_extras=True) for name, kind in SERVER_MESSAGE_TYPES.items()
}


def find_fault(message: ServerMessage) -> tuple[str, str, str] | None:
    """Reason, field and rule that a message breaks, beyond what the types of its fields say."""
    for field, holds, rule in _PREDICATES[type(message)]:
        if not holds(getattr(message, field)):
            return "bad_field", field, rule
    return _find_contradiction(message)


def find_fault_of_plain(message: ServerMessage) -> tuple[str, str, str] | None:
    """The same, if all texts are printable ASCII, so that msgspec has checked nearly everything."""
    if isinstance(message, AccountTransfer):
        note_format = message.transfer_note_format
        if note_format and not is_transfer_note_format(note_format):
            return find_fault(message)
    elif isinstance(message, AccountUpdate):
        digest = message.debtor_info_sha256
        if digest and not is_sha256(digest):
            return find_fault(message)
    return _find_contradiction(message)


def _find_contradiction(message: ServerMessage) -> tuple[str, str, str] | None:
    if isinstance(message, RejectedTransfer):
        if message.status_code == OK:
            return "bad_field", "status_code", "must not be OK"
    elif isinstance(message, AccountTransfer):
        if message.acquired_amount == 0:
            return "bad_field", "acquired_amount", "must not be 0"
        if message.previous_transfer_number >= message.transfer_number:
            return "bad_combination", "previous_transfer_number", "must be less than transfer_number"
    return None


def diagnose(body: bytes, type_property: str | None) -> ServerMessage | Undecodable:
    """Read a body whose size, content type and type property are in order."""
    members = _read_object(body)
    if isinstance(members, Undecodable):
        return members
    name = members.get("type")
    if not isinstance(name, str):
        return Undecodable("type_mismatch", "type: missing, or not a text")
    if name not in SERVER_MESSAGE_TYPES or (type_property is not None and name != type_property):
        return Undecodable("type_mismatch", "type: not that of the message")
    values: dict[str, Any] = {}
    for field, hint in _HINTS[name].items():
        if field not in members:
            return Undecodable("bad_field", f"{field}: missing")
        try:
            values[field] = _read_field(members[field], hint)
        except ValueError as error:
            return Undecodable("bad_field", f"{field}: {error}")
    message: ServerMessage = SERVER_MESSAGE_TYPES[name](**values)
    fault = find_fault(message)
    return message if fault is None else Undecodable(fault[0], f"{fault[1]}: {fault[2]}")


def _read_field(value: object, hint: Any) -> object:
    if _is_float(hint):
        if isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        elif isinstance(value, _Digits):
            value = float(value.text)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("must be finite")
    if isinstance(value, _Digits):
        raise ValueError("is out of range")  # noqa: TRY004 - their error, not ours
    if hint is Timestamp:
        if not isinstance(value, str):
            raise ValueError("must be a timestamp with an offset")
        return read_timestamp(hint, value)
    return msgspec.convert(value, hint)


def _is_float(hint: Any) -> bool:
    return hint is float or getattr(hint, "__origin__", None) is float


# --- JSON, exactly by RFC 8259 ------------------------------------------------------------------

_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS: Final = re.compile(r"[^\[\]{}]++")
_BAD_CHARACTER: Final = re.compile("[\0\ud800-\udfff]")


def _read_object(body: bytes) -> dict[str, Any] | Undecodable:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        return Undecodable("bad_encoding", f"not UTF-8 at byte {error.start}")
    if text.startswith("\ufeff"):
        return Undecodable("bad_encoding", "byte order mark")
    if _is_too_deep(text):
        return Undecodable("too_deep", f"more than {MAX_NESTING_LEVELS} levels of nesting")
    try:
        document = _decoder.decode(text)
    except json.JSONDecodeError as error:
        return Undecodable("bad_json", f"{error.msg} (character {error.pos})")
    except ValueError as error:
        return Undecodable("bad_json", str(error))
    if _BAD_CHARACTER.search(_all_strings(text)):
        return Undecodable("bad_json", "a string holds U+0000 or a lone surrogate")
    if not isinstance(document, dict):
        return Undecodable("not_an_object", "the body is not an object")
    return document


def _is_too_deep(text: str) -> bool:
    depth = 0
    for bracket in _NO_BRACKETS.sub("", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_NESTING_LEVELS:
            return True
    return False


def _all_strings(text: str) -> str:
    """All strings of a JSON text, those of overridden members too, unescaped, one after the other.

    Each is read by itself, so that two lone surrogates do not make a pair.
    """
    return "\n".join(json.loads(match[0]) for match in _STRING.finditer(text) if "\\u" in match[0])


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _read_integer(text: str) -> int | _Digits:
    # Twenty characters hold every int64; more are never converted, which could take long.
    return int(text) if len(text) <= 20 else _Digits(text)


_decoder: Final = json.JSONDecoder(parse_int=_read_integer, parse_constant=_refuse_constant)
