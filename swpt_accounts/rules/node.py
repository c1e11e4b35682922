"""The books of all shards of a node, added up (rules.md#the-books-of-a-node).

Pure: what each shard has found about itself in, what is wrong with the whole out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from swpt_accounts.wire.moments import Moment, render_timestamp
from swpt_accounts.wire.routing import Realm

from .flows import KEPT, LATE, SLOT, late_before
from .invariants import Violation

_WORDS: Final = 2**32
# Slots that one shard keeps apart must not be one for another already.
MOST_APART: Final = KEPT - LATE - 2 * SLOT


class SlotFlow(msgspec.Struct, frozen=True, array_like=True):
    """What has left for other shards, and come from them, of the transfers committed in one slot."""

    slot: Moment
    emitted: int
    applied: int


class CurrencySums(msgspec.Struct, frozen=True):
    """The money of a currency on one shard."""

    debtor_id: int
    principals: int
    emitted: int = 0
    applied: int = 0
    is_overflown: bool = False
    flows: Sequence[SlotFlow] = ()


class ShardBooks(msgspec.Struct, frozen=True, kw_only=True):
    """What one shard says about its books; currencies whose sums are all 0 may be left out."""

    name: str
    """Where it comes from."""

    realm: Realm
    realm_since: Moment
    began_at: Moment
    ended_at: Moment
    is_whole: bool = True
    """All currencies were looked at, to the end."""

    violations_count: int = 0
    foreign_accounts: int = 0
    currencies: Sequence[CurrencySums] = ()


class NodeSums(msgspec.Struct, frozen=True):
    """What all shards together have: the currencies with money between shards, and what is wrong."""

    on_the_way: dict[int, int]
    """By debtor: what has left and not come, as far as that can be said; never 0."""

    violations: Sequence[Violation] = ()
    notes: Sequence[str] = ()
    """What could not be checked, and why."""


def add_up(shards: Sequence[ShardBooks]) -> NodeSums:
    """All of a node: realms without gap and overlap, each shard in order, no money lost or made (V3)."""
    named = [(shard.realm, shard.name) for shard in shards]
    broken = [Violation("realms", None, None, text) for text in wrong_realms(named)]
    broken += _wrong_shards(shards)
    notes = list(_why_not_late(shards)) if not broken else ["money was not added up"]
    on_the_way: dict[int, int] = {}
    if broken:
        return NodeSums(on_the_way, broken, notes)
    until = None if notes else late_before(min(shard.began_at for shard in shards))
    for debtor_id, parts in _by_debtor(shards):
        if any(part.is_overflown for part in parts):
            continue
        principals = sum(part.principals for part in parts)
        travelling = sum(part.emitted - part.applied for part in parts)
        if travelling:
            on_the_way[debtor_id] = travelling
        if principals + travelling != 0:
            text = f"the principals add up to {principals}, and {travelling} is on its way"
            broken.append(Violation("V3", debtor_id, None, text))
        elif until is not None and (late := _committed_before(until, parts)) != 0:
            broken.append(Violation("V3", debtor_id, None, _lateness(late, until)))
    return NodeSums(on_the_way, broken, notes)


def wrong_realms(named: Sequence[tuple[Realm, str]]) -> Iterator[str]:
    """What is wrong with realms, each with a name: each key belongs to exactly one of them."""
    reached, last = 0, "the beginning"
    for realm, whose in sorted(named, key=lambda one: (_span(one[0])[0], one[0].bits, one[1])):
        start, end = _span(realm)
        name = f"{realm.binding_key} ({whose})"
        if start > reached:
            yield f"nobody has what is between {last} and {name}"
        if start < reached:
            yield f"{last} and {name} have the same accounts"
        if end >= reached:
            reached, last = end, name
    if reached < _WORDS:
        yield f"nobody has what is after {last}"


def _span(realm: Realm) -> tuple[int, int]:
    """The first word of a realm, and the first behind it."""
    size = _WORDS >> realm.bits
    return realm.prefix * size, (realm.prefix + 1) * size


def _wrong_shards(shards: Sequence[ShardBooks]) -> Iterator[Violation]:
    for shard in shards:
        if not shard.is_whole:
            yield Violation("shard", None, None, f"{shard.name}: not all of its currencies were checked")
        if shard.violations_count:
            count = shard.violations_count
            yield Violation("shard", None, None, f"{shard.name}: it has found {count} violations itself")


def _why_not_late(shards: Sequence[ShardBooks]) -> Iterator[str]:
    """Why it can not be said whether money is late, while a split goes on and shortly after it."""
    first, last = min(shard.began_at for shard in shards), max(shard.ended_at for shard in shards)
    until = late_before(first)
    if last - first > MOST_APART:
        span = f"from {render_timestamp(first)} to {render_timestamp(last)}"
        yield f"the checks lasted {span}, which is too long to say whether money is late"
    for shard in shards:
        if shard.foreign_accounts:
            yield (
                f"{shard.name} still has {shard.foreign_accounts} accounts of its sibling: what is on its way"
                " is known when they are removed"
            )
        elif shard.realm.bits and shard.realm_since > until:
            since = render_timestamp(shard.realm_since)
            yield f"{shard.name} has its realm since {since}: what is late can be said two hours later"


def _by_debtor(shards: Sequence[ShardBooks]) -> list[tuple[int, list[CurrencySums]]]:
    parts: dict[int, list[CurrencySums]] = {}
    for shard in shards:
        for currency in shard.currencies:
            parts.setdefault(currency.debtor_id, []).append(currency)
    return sorted(parts.items())


def _committed_before(until: Moment, parts: Sequence[CurrencySums]) -> int:
    """What has left and not come, of the transfers committed in the slots before this moment."""
    sums: Counter[bool] = Counter()
    for part in parts:
        for flow in part.flows:
            sums[flow.slot < until] += flow.emitted - flow.applied
    return sums[True]


def _lateness(late: int, until: Moment) -> str:
    before = f"of transfers committed before {render_timestamp(until)}"
    if late > 0:
        return f"{late} more has left its shard than has come, {before}"
    return f"{-late} more has come than has left its shard, {before}"
