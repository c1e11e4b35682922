"""Bodies of messages from the server become values, or a reason why they do not.

What is well-formed is defined by the checks of `_diagnose`; the quick way never takes what
they refuse (protocol.rst, JSON form).
"""

from typing import Final

import msgspec

from swpt_client.limits import MAX_MESSAGE_BYTES

from .fields import PREDICATES, read_timestamp
from .shapes import SERVER_MESSAGE_TYPES, ServerMessage

CONTENT_TYPE: Final = "application/json"

_decode_any: Final = msgspec.json.Decoder(ServerMessage, dec_hook=read_timestamp).decode
_decode_one: Final = {
    name: msgspec.json.Decoder(kind, dec_hook=read_timestamp).decode
    for name, kind in SERVER_MESSAGE_TYPES.items()
}
_CHECKED_FIELDS: Final = {
    kind: tuple((field, *PREDICATES[field]) for field in kind.__struct_fields__ if field in PREDICATES)
    for kind in SERVER_MESSAGE_TYPES.values()
}


class Undecodable(msgspec.Struct, frozen=True):
    """Why a message cannot be taken; it belongs to the dead letters.

    `reason` is one of too_large, bad_content_type, unknown_type, bad_encoding, too_deep,
    bad_json, not_an_object, type_mismatch, bad_field, bad_combination; the first check that
    fails gives it.  `detail` never shows the content of notes and configurations.
    """

    reason: str
    detail: str


def decode(body: bytes, content_type: str | None, type_property: str | None) -> ServerMessage | Undecodable:
    """Read the body of a message from the server.

    A missing type property is None, and then the member `type` decides; an empty one counts as
    present.
    """
    if len(body) > MAX_MESSAGE_BYTES:
        return Undecodable("too_large", f"more than {MAX_MESSAGE_BYTES} bytes")
    if content_type != CONTENT_TYPE:
        return Undecodable("bad_content_type", f"the content type is not {CONTENT_TYPE}")
    if type_property is not None and type_property not in SERVER_MESSAGE_TYPES:
        return Undecodable("unknown_type", "the type property is not a message type that clients receive")
    raise NotImplementedError
