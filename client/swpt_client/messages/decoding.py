"""Bodies of messages from the server become values, or a reason why they do not.

The checks of `diagnosis` define what is well-formed; the quick way never takes what they refuse.
"""

from typing import Any, Final

import msgspec

from swpt_client.limits import MAX_MESSAGE_BYTES, MAX_NESTING_LEVELS

from .diagnosis import Undecodable, diagnose, find_fault, find_fault_of_plain
from .fields import read_timestamp
from .shapes import SERVER_MESSAGE_TYPES, ServerMessage

CONTENT_TYPE: Final = "application/json"

_decode: Final = msgspec.json.Decoder(ServerMessage, dec_hook=read_timestamp).decode


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
    is_plain = _is_plain(body)
    if not (is_plain or _is_ordinary(body)):
        return diagnose(body, type_property)
    try:
        message: Any = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return diagnose(body, type_property)
    if type_property is not None and type(message).__name__ != type_property:
        return diagnose(body, type_property)
    if (find_fault_of_plain(message) if is_plain else find_fault(message)) is not None:
        return diagnose(body, type_property)
    return message  # type: ignore[no-any-return]


def _is_plain(body: bytes) -> bool:
    """Whether all strings are printable ASCII texts, as in nearly all messages.

    Then characters are bytes, and nothing can hide in an escape.
    """
    return (
        body.isascii()
        and b"\\" not in body
        and b"\x7f" not in body
        and b"[" not in body
        and body.count(b"{") <= MAX_NESTING_LEVELS
    )


def _is_ordinary(body: bytes) -> bool:
    r"""Whether msgspec can be trusted: it looks neither into strings that it skips nor for depth.

    `\u` escapes are rare, and may hide U+0000 and surrogates.
    """
    if body.count(b"[") + body.count(b"{") > MAX_NESTING_LEVELS or b"\\u" in body:
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
