"""The form of a row of the outbox: events packed, and unpacked again (rules.md#foreign-accounts)."""

import zlib
from array import array
from collections.abc import Sequence
from itertools import chain
from struct import iter_unpack
from sys import byteorder
from typing import Final

import msgspec

from swpt_accounts.events import Envelope, Event, PendingBalanceChange, decode, envelop
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.facts import AccountKey

from .returned import unpack_returned

FORGET_ROWS: Final = "DELETE FROM outbox WHERE outbox_id = ANY(%s)"

INSERT_ROWS: Final = """
INSERT INTO outbox (created_at, type_counts, accounts, payload, attempts, next_attempt_at, last_failure)
VALUES %s
"""

_FIRST_BYTES: Final = 4096
"""Hardly an event is longer."""


def unpack_accounts(packed: bytes) -> list[AccountKey]:
    """The accounts that a row of the outbox belongs to; none for a message that was put back."""
    return list(iter_unpack(">qq", packed))


def unpack(payload: bytes) -> list[Envelope]:
    """The events of a row, addressed again, or the message that an operator has put back."""
    message = unpack_returned(payload)
    if message is not None:
        return [message.envelop()]
    return [envelop(decode(body), body) for body in zlib.decompress(payload).split(b"\n")]


def first_event(payload: bytes | memoryview) -> Envelope | None:
    """The first event of a row, with little work; None for a message that an operator has put back.

    Raises ValueError, zlib.error or a MsgspecError for a payload that cannot be read.
    """
    if unpack_returned(payload) is not None:
        return None
    unpacking = zlib.decompressobj()
    line = b""
    while b"\n" not in line and payload:
        line += unpacking.decompress(payload, _FIRST_BYTES)
        payload = unpacking.unconsumed_tail
    body = line.partition(b"\n")[0]
    return envelop(decode(body), body)


# Compression is worth its time because the row is written twice, to the log and to the table,
# while the events of a batch repeat each other: level 1 leaves less than a tenth of them.
_COMPRESSION_LEVEL: Final = 1


# By default each compression would begin with a fresh piece of memory of 268 kB, whose pages cost more
# than the work in them: 124 us for one event, 418 us for a hundred.  With these it is 9 us and 114 us,
# and what comes out is one hundredth longer.  Window and memory are powers of 2; zlib reads any.
_SMALL_BYTES: Final = 4096


_SMALL: Final = (12, 4)


_LARGE: Final = (15, 5)


class Stored(msgspec.Struct, frozen=True):
    """The events of a transaction, ready to be published once it is committed."""

    outbox_id: int
    envelopes: list[Envelope]

    version: int = 0
    """The id of the transaction, which marks the rows that it has written."""

    accounts: Sequence[Account] = ()
    """The accounts as the transaction has written them."""


def pack_bodies(bodies: Sequence[bytes]) -> bytes:
    """Encoded events as compressed lines; JSON on one line holds no line break."""
    lines = b"\n".join(bodies)
    window, memory = _SMALL if len(lines) <= _SMALL_BYTES else _LARGE
    compressor = zlib.compressobj(_COMPRESSION_LEVEL, zlib.DEFLATED, window, memory)
    return compressor.compress(lines) + compressor.flush()


def pack_accounts(events: Sequence[Event]) -> bytes:
    """The accounts that the events belong to, as pairs of big-endian int64 (rules.md#foreign-accounts)."""
    keys = {
        (e.debtor_id, e.creditor_id if type(e) is not PendingBalanceChange else e.other_creditor_id)
        for e in events
    }
    numbers = array("q", chain.from_iterable(sorted(keys)))
    if byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()
