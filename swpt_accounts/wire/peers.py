"""Which broker user speaks for which accounts (check 14 of rules.md#checks-of-a-message).

Agents are told apart by the property user_id of their messages, for which the broker vouches.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import msgspec

from .codes import CT_AGENT, CT_DIRECT, CT_ISSUING
from .messages import ConfigureAccount, FinalizeTransfer, Message, PrepareTransfer
from .numbers import ROOT_CREDITOR_ID

_BITS = 64


class IdRange(NamedTuple):
    """The ids whose first `bits` bits, as the number that they make, are `prefix`."""

    bits: int
    prefix: int

    @classmethod
    def of_id(cls, number: int) -> "IdRange":
        """One id alone."""
        return cls(_BITS, number)

    @classmethod
    def of_bytes(cls, first_bytes: bytes) -> "IdRange":
        """The ids that begin with these bytes, as their hexadecimal keys do."""
        return cls(8 * len(first_bytes), int.from_bytes(first_bytes, "big", signed=True))

    @property
    def first(self) -> int:
        """The least id, read as signed."""
        return self.prefix << (_BITS - self.bits) if self.bits else -(1 << (_BITS - 1))

    @property
    def last(self) -> int:
        """The greatest id."""
        return self.first + (1 << (_BITS - self.bits)) - 1


def overlap(ranges: Sequence[IdRange]) -> tuple[int, int] | None:
    """The places of two ranges that have an id in common, the wider one first; None if there are none.

    Ranges of leading bits are apart, or one is within the other; so neighbours in order are enough.
    """
    places = sorted(range(len(ranges)), key=lambda at: (ranges[at].first, -ranges[at].last))
    for one, next_ in pairwise(places):
        if ranges[next_].first <= ranges[one].last:
            return one, next_
    return None


_Prefixes: TypeAlias = tuple[tuple[int, frozenset[int]], ...]


class Ids(msgspec.Struct, frozen=True, gc=False):
    """A set of ids, as prefixes by their length."""

    within: _Prefixes = ()
    without: _Prefixes = ()

    @classmethod
    def of(cls, ranges: Iterable[IdRange], but: Iterable[IdRange] = ()) -> "Ids":
        """All ids of the ranges, but those of other ones."""
        return cls(_prefixes(ranges), _prefixes(but))

    def hold(self, number: int) -> bool:
        """Whether the id is one of them."""
        for shift, prefixes in self.without:
            if number >> shift in prefixes:
                return False
        # A generator would take longer, and this is asked for every message.
        for shift, prefixes in self.within:  # noqa: SIM110
            if number >> shift in prefixes:
                return True
        return False


def _prefixes(ranges: Iterable[IdRange]) -> _Prefixes:
    by_length: dict[int, set[int]] = {}
    for bits, prefix in ranges:
        # Nothing is left of an id but its sign.
        by_length.setdefault(_BITS - bits, set()).update((prefix,) if bits else (0, -1))
    return tuple((shift, frozenset(prefixes)) for shift, prefixes in sorted(by_length.items()))


class Peer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one broker user may do."""

    creditors: Ids = Ids()
    """Whose accounts it speaks for, in every currency."""

    debtors: Ids = Ids()
    """Whose root accounts it speaks for."""

    coordinator_types: frozenset[str] = frozenset()

    def owns(self, debtor_id: int, creditor_id: int) -> bool:
        """Whether it speaks for the account."""
        if creditor_id == ROOT_CREDITOR_ID:
            return self.debtors.hold(debtor_id)
        return self.creditors.hold(creditor_id)

    def coordinates(self, message: PrepareTransfer | FinalizeTransfer) -> bool:
        """Whether the coordinator of the message is its own, if the type says where that belongs."""
        kind = message.coordinator_type
        if kind == CT_DIRECT:
            return self.owns(message.debtor_id, message.coordinator_id)
        if kind == CT_AGENT:
            return self.creditors.hold(message.coordinator_id)
        if kind == CT_ISSUING:
            return self.debtors.hold(message.coordinator_id)
        return True


class Peers(msgspec.Struct, frozen=True, kw_only=True):
    """All who may send messages to the server."""

    by_user: Mapping[str, Peer]

    default: Peer | None = None
    """Those whom the broker does not name, or names otherwise; what a named one has is not theirs."""

    server_user: str
    """The user of the server itself, who only repeats what was allowed: dead letters that are put back."""

    def why_not(self, user_id: str | None, message: Message) -> str | None:
        """Which rule the message breaks, if this user may not send it; credits are not asked about here."""
        if user_id == self.server_user:
            return None
        peer = self.default if user_id is None else self.by_user.get(user_id, self.default)
        if peer is None:
            return "user_id: missing" if user_id is None else "user_id: not in the table of peers"
        if not peer.owns(message.debtor_id, message.creditor_id):
            return "creditor_id: an account that this peer does not speak for"
        if not isinstance(message, (PrepareTransfer, FinalizeTransfer)):
            assert isinstance(message, ConfigureAccount), "credits have a rule of their own"
            return None
        if message.coordinator_type not in peer.coordinator_types:
            return "coordinator_type: not one of this peer"
        if not peer.coordinates(message):
            return "coordinator_id: not one of this peer"
        return None
