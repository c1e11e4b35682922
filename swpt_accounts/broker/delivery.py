"""A message as the broker delivered it, with its properties still undecoded.

A content header can hold things that a decoder chokes on (a timestamp of 2^63 kills
pika's), and hardly anything in it matters.  So the raw bytes are kept, for the dead
letter if there will be one, and only the few properties that are asked for are looked
up in them.  No accessor raises, whatever the bytes are.
"""

import hashlib
from functools import lru_cache
from struct import Struct
from typing import Final

import msgspec

_U32: Final = Struct("!I")


# The property flags in the order in which the values stand, with the form of each value.
_SHORT, _TABLE, _OCTET, _LONG_LONG = range(4)
CONTENT_TYPE: Final = 1 << 15
HEADERS: Final = 1 << 13
DELIVERY_MODE: Final = 1 << 12
TYPE: Final = 1 << 5
USER_ID: Final = 1 << 4
APP_ID: Final = 1 << 3
FORMS: Final = (
    (CONTENT_TYPE, _SHORT),
    (1 << 14, _SHORT),  # content_encoding
    (HEADERS, _TABLE),
    (DELIVERY_MODE, _OCTET),
    (1 << 11, _OCTET),  # priority
    (1 << 10, _SHORT),  # correlation_id
    (1 << 9, _SHORT),  # reply_to
    (1 << 8, _SHORT),  # expiration
    (1 << 7, _SHORT),  # message_id
    (1 << 6, _LONG_LONG),  # timestamp
    (TYPE, _SHORT),
    (USER_ID, _SHORT),
    (APP_ID, _SHORT),
)

# The sizes of the values of a header table, by kind; the others carry their length.
_FIXED_SIZES: Final = dict(
    zip(b"tbBsUuIiflLdDTV", (1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8, 5, 8, 0), strict=True)
)
_SIZED_KINDS: Final = frozenset(b"SxAF")
_SIGNED_KINDS: Final = frozenset(b"bsUIlL")
_UNSIGNED_KINDS: Final = frozenset(b"Bui")
_DELIVERY_COUNT: Final = b"x-delivery-count"


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message from the broker (rules.md#properties-and-headers)."""

    tag: int
    """The delivery tag; it is worth something on the connection that delivered only."""

    exchange: str
    routing_key: str
    redelivered: bool

    properties: bytes
    """The flags and the values of the content header, as they came."""

    body: bytes
    """The body, cut at numbers.MAX_MESSAGE_BYTES."""

    body_size: int
    """The full length of the body."""

    body_sha256: bytes | None = None
    """The SHA-256 of the full body, if it was cut."""

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the full body, by which tables and logs know the message."""
        return self.body_sha256 or hashlib.sha256(self.body).digest()

    @property
    def content_type(self) -> str | None:
        """The property content_type; None if it is missing."""
        return short_property(self.properties, CONTENT_TYPE)

    @property
    def type(self) -> str | None:
        """The property type; None if it is missing."""
        return short_property(self.properties, TYPE)

    @property
    def user_id(self) -> str | None:
        """The property user_id, which the broker has verified; None if it is missing."""
        return short_property(self.properties, USER_ID)

    @property
    def delivery_count(self) -> int:
        """How often a quorum queue has delivered this before; 0 if it does not say so."""
        return delivery_count(self.properties)

    def __repr__(self) -> str:
        return f"<Delivery {self.tag} of {self.body_size} bytes to {self.exchange}>"


def readable(raw: bytes) -> str:
    """A short string as text that PostgreSQL can store: odd bytes and NUL are spelled out."""
    text = raw.decode("utf-8", "backslashreplace")
    return text.replace("\0", "\\x00") if "\0" in text else text


def short_property(properties: bytes, flag: int) -> str | None:
    """The value of a property of the form short string; None if it is missing or unreadable."""
    raw = _raw_property(properties, flag)
    return None if raw is None else readable(raw)


def kept_properties(properties: bytes, *, user_id: str = "") -> bytes:
    """A content header with content_type and type as they came, persistent, and nothing else.

    That is all that the server looks at; who has sent the message is not repeated, but a user may be named.
    """
    content_type, type_ = _raw_property(properties, CONTENT_TYPE), _raw_property(properties, TYPE)
    flags, values = DELIVERY_MODE, b"\x02"
    if content_type is not None:
        flags, values = flags | CONTENT_TYPE, bytes((len(content_type),)) + content_type + values
    if type_ is not None:
        flags, values = flags | TYPE, values + bytes((len(type_),)) + type_
    if user := user_id.encode():
        flags, values = flags | USER_ID, values + bytes((len(user),)) + user
    return flags.to_bytes(2, "big") + values


def _raw_property(properties: bytes, flag: int) -> bytes | None:
    at = _offset(properties, flag)
    if at < 0 or at >= len(properties):
        return None
    end = at + 1 + properties[at]
    return properties[at + 1 : end] if end <= len(properties) else None


def _offset(properties: bytes, flag: int) -> int:
    """Where the value of a property begins; -1 if there is none."""
    flags = int.from_bytes(properties[:2], "big")
    if not flags & flag:
        return -1
    at = 2
    size = len(properties)
    for form in _forms_before(flags, flag):
        if form == _SHORT:
            at += 1 + properties[at] if at < size else 1
        elif form == _TABLE:
            at += 4 + int.from_bytes(properties[at : at + 4], "big")
        else:
            at += 1 if form == _OCTET else 8
    return at


@lru_cache(maxsize=1024)
def _forms_before(flags: int, flag: int) -> tuple[int, ...]:
    return tuple(form for bit, form in FORMS if bit > flag and flags & bit)


def header_table(properties: bytes) -> bytes:
    """The values of the header table, without its length; empty if there is none."""
    at = _offset(properties, HEADERS)
    if at < 0:
        return b""
    size = int.from_bytes(properties[at : at + 4], "big")
    return properties[at + 4 : at + 4 + size]


def delivery_count(properties: bytes) -> int:
    """Find `x-delivery-count` among the headers; 0 for anything odd."""
    table = header_table(properties)
    if _DELIVERY_COUNT not in table:
        return 0
    at, end = 0, len(table)
    while at < end:
        name_end = at + 1 + table[at]
        if name_end >= end:
            return 0
        # Places in the table instead of copies: an agent may send tens of thousands of headers.
        start, kind = name_end + 1, table[name_end]
        size = _FIXED_SIZES.get(kind)
        if size is None:
            if kind not in _SIZED_KINDS or start + 4 > end:
                return 0
            size = 4 + _U32.unpack_from(table, start)[0]
        if start + size > end:
            return 0
        if table[at + 1 : name_end] == _DELIVERY_COUNT:
            return _count(kind, table[start : start + size])
        at = start + size
    return 0


def _count(kind: int, value: bytes) -> int:
    if kind in _SIGNED_KINDS:
        return max(0, int.from_bytes(value, "big", signed=True))
    return int.from_bytes(value, "big") if kind in _UNSIGNED_KINDS else 0
