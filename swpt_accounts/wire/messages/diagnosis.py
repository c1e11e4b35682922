"""The slow way: reads a body check by check, and thereby defines what a well-formed one is.

It is linear for any input up to the size limit (checks 4 to 12 of rules.md#checks-of-a-message).
"""

from typing import Any, Final, get_type_hints

from swpt_accounts.wire.numbers import MAX_NESTING_LEVELS
from swpt_accounts.wire.strict_json import is_deeper, parse

from .fields import READERS, Reader
from .malformed import Malformed
from .rules import check_rules
from .shapes import MESSAGE_TYPES, Message


def _field_readers(message_type: type[Message]) -> dict[str, Reader]:
    hints = get_type_hints(message_type, include_extras=True)
    return {name: READERS[hints[name]] for name in message_type.__struct_fields__}


_FIELDS: Final = {name: _field_readers(message_type) for name, message_type in MESSAGE_TYPES.items()}


def diagnose(body: bytes, type_property: str | None) -> Message | Malformed:
    """Read a body whose size, content type and type property are in order, or say which check it fails."""
    members = _read_object(body)
    if isinstance(members, Malformed):
        return members
    name = _read_type(members, type_property)
    if isinstance(name, Malformed):
        return name
    values: dict[str, Any] = {}
    for field, read in _FIELDS[name].items():
        try:
            values[field] = read(members[field])
        except KeyError:
            return Malformed("bad_field", f"{field}: missing")
        except ValueError as error:
            return Malformed("bad_field", f"{field}: {error}")
    message = MESSAGE_TYPES[name](**values)
    return check_rules(message) or message


def _read_object(body: bytes) -> dict[str, object] | Malformed:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return Malformed("bad_encoding", f"not UTF-8 at byte {error.start}")
    if text.startswith("\ufeff"):
        return Malformed("bad_encoding", "byte order mark")
    if is_deeper(text, MAX_NESTING_LEVELS):
        return Malformed("too_deep", f"more than {MAX_NESTING_LEVELS} levels of nesting")
    try:
        document = parse(text)
    except ValueError as error:
        return Malformed("bad_json", str(error))
    if not isinstance(document, dict):
        return Malformed("not_an_object", "the body is not an object")
    return document


def _read_type(members: dict[str, object], type_property: str | None) -> str | Malformed:
    name = members.get("type")
    if not isinstance(name, str):
        return Malformed("type_mismatch", "type: missing, or not a text")
    if type_property is not None and name != type_property:
        return Malformed("type_mismatch", "type: not equal to the type property")
    if name not in MESSAGE_TYPES:
        return Malformed("type_mismatch", "type: not a message type of this server")
    return name
