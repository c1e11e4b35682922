"""Which offers meet, and with which amounts: pure, in whole cents and whole millionths.

In a ring each offer gives to the one before it and gets from the one after it.  Offers that stood before get
exactly what they ask, rounded up to a whole cent; the offer that completes the ring gets all the rest.
Nobody gets less than the rate asked, nobody gives more than offered, and no cent stays with the exchange.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice, pairwise, product
from math import prod
from typing import Final, TypeAlias

import msgspec

ONE: Final = 1_000_000
"""The rate 1: rates are in millionths."""
MOST_CURRENCIES: Final = 5
"""In one ring."""
_TRIES: Final = 64
"""So many combinations are tried for each order of currencies: tiny offers must not take all day."""
_STEPS: Final = 1000


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody gives, and what it must bring."""

    id: str
    number: int
    """Of two offers that ask the same, the one with the smaller number is served first."""
    trader: str
    give: str
    want: str
    amount: int
    """The most that is given, in cents."""
    rate: int
    """Millionths of a cent wanted for each cent given, at least."""


class Part(msgspec.Struct, frozen=True):
    """What an offer gives in a ring; the offer before it gets it."""

    offer: Offer
    amount: int


Ring: TypeAlias = tuple[Part, ...]
"""The offer that completes it comes first; each wants what the next one gives, in a circle."""
_Edges: TypeAlias = Mapping[tuple[str, str], Sequence[Offer]]


def find_ring(newest: Offer, book: Sequence[Offer], most: int = MOST_CURRENCIES) -> Ring | None:
    """The ring of at most `most` currencies that is best for the newest offer; None if there is none.

    The best brings the most for each cent given; of equal ones the shorter ring.  Among offers for the same
    two currencies the lowest rate comes first, then the smallest number.
    """
    edges: dict[tuple[str, str], list[Offer]] = {}
    for one in sorted(book, key=lambda offer: (offer.rate, offer.number)):
        if one.trader != newest.trader and one.amount > 0:
            edges.setdefault((one.give, one.want), []).append(one)
    best: Ring | None = None
    for path in sorted(_paths(newest.want, newest.give, edges, most), key=len):
        found = _first_ring(newest, [edges[edge] for edge in path])
        if found is not None and (best is None or _gain(found) > _gain(best)):
            best = found
    return best


def fill(offers: Sequence[Offer]) -> tuple[int, ...] | None:
    """What each offer of a ring gives, the most that is possible; None if not a cent is.

    The largest amount for the first offer that comes all the way round: from above, each round lowers it to
    what the others can give for what the first may give for it.  After 1,000 rounds it is given up: such
    rates meet, if at all, only in larger amounts.
    """
    first, others = offers[0], offers[1:]
    got = others[0].amount
    for _ in range(_STEPS):
        given = _most_given(first, got)
        for one in reversed(others):
            given = _most_given(one, given)
        if given >= got:
            return _least(offers, got) if got > 0 else None
        got = given
    return None


def _least(offers: Sequence[Offer], got: int) -> tuple[int, ...]:
    """Those who stood before get exactly what they ask, and the first gives no more than that takes."""
    amounts = [got]
    for one in offers[1:]:
        amounts.append(-(-amounts[-1] * one.rate // ONE))
    return (amounts[-1], *amounts[:-1])


def _most_given(offer: Offer, got: int) -> int:
    return min(offer.amount, got * ONE // offer.rate)


def _gain(ring: Ring) -> Fraction:
    return Fraction(ring[1].amount, ring[0].amount)


def _paths(start: str, end: str, edges: _Edges, most: int) -> Iterator[list[tuple[str, str]]]:
    """All ways from a currency to another over offers, through no currency twice."""
    stack: list[list[str]] = [[start]]
    while stack:
        path = stack.pop()
        for give, want in edges:
            if give != path[-1]:
                continue
            if want == end:
                walked = [*path, want]
                yield list(pairwise(walked))
            elif want not in path and len(path) + 1 < most:
                stack.append([*path, want])


def _first_ring(newest: Offer, candidates: Sequence[Sequence[Offer]]) -> Ring | None:
    for others in islice(product(*candidates), _TRIES):
        offers = (newest, *others)
        if len({one.trader for one in offers}) < len(offers) or not _can_meet(offers):
            continue
        amounts = fill(offers)
        if amounts is not None:
            return tuple(Part(offer, amount) for offer, amount in zip(offers, amounts, strict=True))
    return None


def _can_meet(offers: Sequence[Offer]) -> bool:
    """All rates together must not ask for more than there is."""
    return prod(one.rate for one in offers) <= prod(ONE for _ in offers)
