"""Bodies of incoming messages become values: quickly if they are ordinary, carefully otherwise.

The fast way never takes what the slow way refuses, and gives the same values.
"""

from typing import Final

import msgspec

from swpt_accounts.wire.numbers import MAX_MESSAGE_BYTES
from swpt_accounts.wire.strict_json import has_clean_escapes

from .diagnosis import diagnose
from .fields import (
    is_config_data,
    is_coordinator_type,
    is_recipient,
    is_transfer_note,
    is_transfer_note_format,
    read_custom,
)
from .malformed import Malformed
from .rules import check_rules
from .shapes import MESSAGE_TYPES, ConfigureAccount, Message, PendingBalanceChange, PrepareTransfer

CONTENT_TYPE: Final = "application/json"

# A decoder of one type alone would not ask for the member `type`.
_fast_decode: Final = msgspec.json.Decoder(Message, dec_hook=read_custom).decode


def decode(
    body: bytes, content_type: str | None, type_property: str | None, body_size: int | None = None
) -> Message | Malformed:
    """Read the body of an incoming message by the checks 1 to 12 of rules.md#checks-of-a-message.

    What fails is malformed (rules C0, P0, F0 and B0).
    `body_size` is the full size in bytes, if `body` was cut.  A missing type property is
    None; an empty one counts as present.  A message that fails a check becomes the first
    one that it fails.  The other checks need to know the sender and the shard.
    """
    if (len(body) if body_size is None else body_size) > MAX_MESSAGE_BYTES:
        return Malformed("too_large", f"more than {MAX_MESSAGE_BYTES} bytes")
    if content_type != CONTENT_TYPE:
        return Malformed("bad_content_type", f"the content type is not {CONTENT_TYPE}")
    if type_property is not None and type_property not in MESSAGE_TYPES:
        return Malformed("unknown_type", "the type property is not a message type of this server")
    try:
        message: Message = _fast_decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return diagnose(body, type_property)
    if not (
        (type_property is None or type(message) is MESSAGE_TYPES[type_property])
        and has_clean_escapes(body)
        and _has_right_texts(message)
    ):
        return diagnose(body, type_property)
    return check_rules(message) or message


def _has_right_texts(message: Message) -> bool:
    """The limits that the types of the fields cannot express for msgspec."""
    if isinstance(message, ConfigureAccount):
        return is_config_data(message.config_data)
    if isinstance(message, PrepareTransfer):
        return is_coordinator_type(message.coordinator_type) and is_recipient(message.recipient)
    if isinstance(message, PendingBalanceChange) and message.principal_delta == 0:
        return False
    return (
        is_coordinator_type(message.coordinator_type)
        and is_transfer_note(message.transfer_note)
        and is_transfer_note_format(message.transfer_note_format)
    )
