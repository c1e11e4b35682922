"""Records and messages become text and bytes that a store keeps, and come back.

Records are JSON, so that a person can read them in the database.  A field that is added later has
a default, and unknown fields are ignored: code of yesterday and of today read each other's rows.
What has its default is left out, which is a third of a transfer: text is what takes longest to pass on.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from swpt_client.inputs import Ref
from swpt_client.messages import Envelope, address
from swpt_client.moments import Moment, parse
from swpt_client.news import News
from swpt_client.records import Account, Bundle, Entry, StoredTransfer, Transfer
from swpt_client.step import Outgoing

_LEVEL: Final = 1
"""Of compression: messages of one batch resemble each other, so that the quickest level does."""


def _read_moment(_kind: object, value: Any) -> Moment:
    """The one kind of field that msgspec does not know; in a store it is an integer."""
    return value if type(value) is int else parse(value)


def _decoder(kind: Any) -> Any:
    return msgspec.json.Decoder(kind, dec_hook=_read_moment).decode


_encode: Final = msgspec.json.Encoder().encode
read_account: Final = _decoder(Account)
read_transfer: Final = _decoder(Transfer)
read_bundle: Final = _decoder(Bundle)
read_entry: Final = _decoder(Entry)
read_stored: Final = _decoder(StoredTransfer)
read_news: Final = _decoder(News)


def to_text(record: Account | Transfer | Bundle | Entry | StoredTransfer | News) -> str:
    """The JSON of a record, as it is stored."""
    return _encode(record).decode()


def to_full_text(record: Account | Transfer | Bundle | Entry | StoredTransfer | News) -> str:
    """The JSON of a record with all its fields, for programs that do not know the defaults."""
    return _encode(_in_full(record)).decode()


def _in_full(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_in_full(one) for one in value]
    if not isinstance(value, msgspec.Struct):
        return value
    tag = value.__struct_config__
    members = {} if tag.tag_field is None else {tag.tag_field: tag.tag}
    return members | {name: _in_full(getattr(value, name)) for name in value.__struct_fields__}


class Parcel(msgspec.Struct, frozen=True, array_like=True):
    """A message as it leaves, and whose copy it is."""

    envelope: Envelope
    ref: Ref | None = None


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(list[Parcel]).decode


def parcels_of(outgoing: Iterable[Outgoing]) -> list[Parcel]:
    """Encode messages, with their addresses."""
    return [Parcel(address(one.message), one.ref) for one in outgoing]


def pack(parcels: Sequence[Parcel]) -> bytes:
    """The messages of one batch, compressed."""
    return zlib.compress(_pack(parcels), _LEVEL)


def unpack(packed: bytes) -> list[Parcel]:
    """What `pack` has packed."""
    return _unpack(zlib.decompress(packed))


def is_of_transfer(ref: Ref | None) -> bool:
    """Whether a message is a copy for a transfer, and not for an account or for nobody."""
    return ref is not None and ref.kind == "transfer"
