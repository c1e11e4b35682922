"""`actor.send(...)` as one more client of the server: its message in the form of the protocol."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from dramatiq import Message

from swpt_accounts.events import ACCOUNTS_IN, Envelope
from swpt_accounts.wire import messages, moments
from swpt_accounts.wire.routing import binary_key

_TYPES: Final = {
    "configure_account": messages.ConfigureAccount,
    "prepare_transfer": messages.PrepareTransfer,
    "finalize_transfer": messages.FinalizeTransfer,
}
_TIMESTAMPS: Final = frozenset({"ts", "final_interest_rate_ts"})
_FLOATS: Final = frozenset({"negligible_amount"})


def envelop(message: Message[Any]) -> Envelope:
    """The incoming message that a Dramatiq message stands for (rules.md#where-messages-go).

    The name of the actor gives the type.  The keyword arguments, or a single struct or
    mapping, give the members; timestamps may be moments, aware datetimes or texts.  Raises
    TypeError or ValueError for what cannot be such a message.
    """
    struct = _TYPES.get(message.actor_name)
    if struct is None:
        raise ValueError(f"{message.actor_name} takes no messages; send to one of {', '.join(_TYPES)}")
    members = _members(message)
    names = struct.__struct_fields__
    if wrong := set(members).symmetric_difference(names):
        raise TypeError(f"{struct.__name__}: missing or unknown members: {', '.join(sorted(wrong))}")
    debtor_id, creditor_id = members["debtor_id"], members["creditor_id"]
    body = {"type": struct.__name__} | {name: _written(name, members[name]) for name in names}
    return Envelope(
        ACCOUNTS_IN,
        binary_key(debtor_id, creditor_id),
        struct.__name__,
        debtor_id,
        creditor_id,
        None,
        None,
        True,
        msgspec.json.encode(body),
    )


def _members(message: Message[Any]) -> Mapping[str, Any]:
    if not message.args:
        return message.kwargs
    if len(message.args) > 1 or message.kwargs:
        raise TypeError("send keyword arguments, or one struct or mapping")
    value = message.args[0]
    return value if isinstance(value, Mapping) else msgspec.structs.asdict(value)


def _written(name: str, value: Any) -> Any:
    """A member as JSON wants it (protocol.rst#json-form)."""
    if name in _FLOATS:
        return float(value)
    if name in _TIMESTAMPS and isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name}: a datetime needs a time zone")
        return moments.render_timestamp(moments.from_datetime(value))
    return moments.render_timestamp(value) if name in _TIMESTAMPS and isinstance(value, int) else value
