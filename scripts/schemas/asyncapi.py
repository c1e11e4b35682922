"""One AsyncAPI document: the exchanges of the server, and which messages travel through them."""

from typing import Any, Final, TypeAlias

from swpt_accounts.broker.topology import EXCHANGES
from swpt_accounts.events import ACCOUNTS_IN, TO_COORDINATORS, TO_CREDITORS, TO_DEBTORS

from .fields import COORDINATOR_TYPE, INT64, Schema

Document: TypeAlias = dict[str, Any]

_ACCOUNT: Final = ("RejectedConfig", "AccountUpdate", "AccountPurge", "AccountTransfer")
_ANSWERS: Final = ("RejectedTransfer", "PreparedTransfer", "FinalizedTransfer")

_CHANNELS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    ACCOUNTS_IN: (
        "The key is bin(debtor_id, creditor_id): 24 bits of a hash of the account, with points between.",
        "",
        ("ConfigureAccount", "PrepareTransfer", "FinalizeTransfer", "PendingBalanceChange"),
    ),
    TO_CREDITORS: (
        "The key is hex(creditor_id): eight bytes as hexadecimal digits, with points between.",
        "Also what coordinators of the types `direct` and `agent` are answered, under hex(coordinator_id).",
        (*_ACCOUNT, *_ANSWERS),
    ),
    TO_DEBTORS: (
        "The key is hex(debtor_id); these are the messages about root accounts.",
        "Also what coordinators of the type `issuing` are answered, under hex(coordinator_id).",
        ("RejectedConfig", "AccountUpdate", "AccountPurge", *_ANSWERS),
    ),
    TO_COORDINATORS: (
        "The key is hex(coordinator_id).",
        "Queues for other types of coordinators are bound with the header coordinator-type.",
        _ANSWERS,
    ),
}


def document(version: str, messages: dict[str, Schema], examples: dict[str, Document]) -> Document:
    """The document; `examples` has a body for some of the messages."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Swaptacular Messaging Protocol",
            "version": version,
            "description": (
                "The messages of the accounting server, over RabbitMQ. "
                "What they mean, and what each side has to remember, is in protocol.rst."
            ),
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {exchange.name: _channel(exchange.name, exchange.type) for exchange in EXCHANGES},
        "operations": {
            _operation_name(name): _operation(name) for name in (exchange.name for exchange in EXCHANGES)
        },
        "components": {
            "messages": {
                name: _message(name, schema, examples.get(name)) for name, schema in messages.items()
            },
            "schemas": {name: _embedded(schema) for name, schema in messages.items()},
        },
    }


def _channel(name: str, kind: str) -> Document:
    key, more, types = _CHANNELS[name]
    return {
        "address": "{routingKey}",
        "description": f"{key} {more}".strip(),
        "parameters": {"routingKey": {"description": key}},
        "messages": {one: {"$ref": f"#/components/messages/{one}"} for one in types},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": name, "type": kind, "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _operation_name(exchange: str) -> str:
    return f"{'take' if exchange == ACCOUNTS_IN else 'publish'}_{exchange}"


def _operation(exchange: str) -> Document:
    """As the server sees it."""
    return {
        "action": "receive" if exchange == ACCOUNTS_IN else "send",
        "channel": {"$ref": f"#/channels/{exchange}"},
        "bindings": {"amqp": {"deliveryMode": 2, "bindingVersion": "0.3.0"}},
    }


def _message(name: str, schema: Schema, example: Document | None) -> Document:
    message = {
        "name": name,
        "title": name,
        "summary": schema["description"],
        "contentType": "application/json",
        "headers": _headers(schema),
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }
    return message if example is None else {**message, "examples": [{"payload": example}]}


def _headers(schema: Schema) -> Schema:
    headers: dict[str, Schema] = {
        "message-type": {"const": schema["title"]},
        "debtor-id": INT64,
        "creditor-id": INT64,
    }
    if schema["title"] in _ANSWERS:
        headers |= {"coordinator-id": INT64, "coordinator-type": COORDINATOR_TYPE}
    return {"type": "object", "properties": headers}


def _embedded(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "$schema"}
