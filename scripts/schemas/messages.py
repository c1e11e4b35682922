"""A JSON Schema for each message, from the structs that the server decodes and encodes."""

import inspect
from typing import Any, Final, get_args, get_type_hints

import msgspec

from swpt_accounts import events
from swpt_accounts.wire import codes
from swpt_accounts.wire.messages import MESSAGE_TYPES

from .fields import INCOMING, OUTGOING, ROOT_CONFIG, Schema

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_NOT_RESERVED: Final[Schema] = {
    "properties": {"coordinator_type": {"not": {"enum": sorted(codes.RESERVED_COORDINATOR_TYPES)}}}
}
_ISSUING_IS_FROM_THE_ROOT: Final[Schema] = {
    "if": {"properties": {"coordinator_type": {"const": codes.CT_ISSUING}}},
    "then": {"properties": {"creditor_id": {"const": 0}}},
}
_RULES: Final[dict[str, list[Schema]]] = {
    "PrepareTransfer": [_NOT_RESERVED, _ISSUING_IS_FROM_THE_ROOT],
    "FinalizeTransfer": [_NOT_RESERVED],
}


def to_the_server() -> dict[str, Schema]:
    """The messages that the server reads, by type.  Unknown members are ignored."""
    schemas = {}
    for name, struct in MESSAGE_TYPES.items():
        hints = get_type_hints(struct, include_extras=True)
        properties = {field.name: INCOMING[hints[field.name]] for field in msgspec.structs.fields(struct)}
        schemas[name] = _message(name, struct, properties)
        if name in _RULES:
            schemas[name]["allOf"] = _RULES[name]
    return schemas


def from_the_server() -> dict[str, Schema]:
    """The messages that the server writes, by type.  Later versions may add members."""
    return {
        struct.__name__: _message(
            struct.__name__,
            struct,
            {field.name: OUTGOING[field.name] for field in msgspec.structs.fields(struct)},
        )
        for struct in get_args(events.Event)
        if struct.__name__ not in MESSAGE_TYPES
    }


def root_config_data() -> Schema:
    """The document in the `config_data` of a root account."""
    return {
        "$schema": DIALECT,
        "title": "RootConfigData",
        "description": "What the config_data of a root account means; the empty text means the defaults.",
        "type": "object",
        "properties": ROOT_CONFIG,
    }


def _message(name: str, struct: type[Any], properties: dict[str, Schema]) -> Schema:
    return {
        "$schema": DIALECT,
        "title": name,
        "description": (inspect.getdoc(struct) or "").split(" (")[0].removesuffix(".") + ".",
        "type": "object",
        "properties": {"type": {"const": name}, **properties},
        "required": ["type", *properties],
    }
