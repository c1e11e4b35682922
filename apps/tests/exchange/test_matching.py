"""Matching, as a table that a banker could read, and as properties that hold for all books."""

from fractions import Fraction
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.matching import ONE, Offer, Ring, fill, find_ring

_numbers = count(1)
CODES = ("OAK", "ASH", "ELM", "FIR", "YEW")


def offer(give: str, amount: int, want: str, rate: str, trader: str = "") -> Offer:
    """An offer of somebody else than all others, later than all others."""
    number = next(_numbers)
    return Offer(
        id=f"o{number}",
        number=number,
        trader=trader or f"t{number}",
        give=give,
        want=want,
        amount=amount,
        rate=int(Fraction(rate) * ONE),
    )


PAIR = [
    # who stood before: gives, rate · who comes: gives, rate · what both give (the one who comes first)
    ((100, "2"), (200, "0.5"), (200, 100)),
    ((100, "2"), (500, "0.4"), (200, 100)),  # it asked less, and is given the rate of who stood before
    ((100, "2"), (50, "0.5"), (50, 25)),  # as much as there is
    ((100, "2"), (51, "0.5"), (50, 25)),  # 51 would bring 25.5
    ((100, "0.333333"), (1000, "3"), (33, 99)),  # 34 would have to bring 102
    ((2, "0.333333"), (1000, "3"), None),  # it would fit, but not in whole cents
    ((10_000_000, "0.333333"), (10_000_000, "3"), (3_333_330, 10_000_000)),
    ((99, "0.3"), (1000, "3"), (30, 99)),  # 29.7, rounded up in favour of who stood before
    ((100, "1"), (100, "1.000001"), None),
    ((1, "0.01"), (100, "1"), (1, 1)),
]


@pytest.mark.parametrize(("stood", "comes", "amounts"), PAIR)
def test_a_pair(stood: tuple[int, str], comes: tuple[int, str], amounts: tuple[int, int] | None) -> None:
    """Who stood before gets what was asked, rounded up; who comes gets the rest."""
    book = [offer("OAK", stood[0], "ASH", stood[1])]
    ring = find_ring(offer("ASH", comes[0], "OAK", comes[1]), book)
    assert (None if ring is None else tuple(part.amount for part in ring)) == amounts


def test_a_ring_of_five_and_not_of_six() -> None:
    """Currencies that nobody would exchange directly come round; the rest is the newest offer's."""
    chain = ["A", "B", "C", "D", "E"]
    book = [offer(give, 1000, want, "0.9") for give, want in zip(chain, [*chain[1:], "F"], strict=True)]
    five = find_ring(offer("E", 1000, "A", "1"), book[:4])
    assert five is not None
    assert [part.amount for part in five] == [657, 1000, 900, 810, 729]
    assert find_ring(offer("F", 1000, "A", "1"), book) is None


def test_the_best_rate_comes_first_then_who_came_first() -> None:
    """Among the same rates the smaller number; a longer way round if it brings more."""
    dear, cheap, later = (offer("OAK", 100, "ASH", rate) for rate in ("2", "1.5", "1.5"))
    newest = offer("ASH", 150, "OAK", "0.1")
    ring = find_ring(newest, [dear, later, cheap])
    assert ring is not None
    assert [part.offer.id for part in ring] == [newest.id, cheap.id]
    way = [offer("OAK", 100, "ELM", "1"), offer("ELM", 100, "ASH", "1")]
    ring = find_ring(newest, [dear, cheap, *way])
    assert ring is not None
    assert [part.offer.give for part in ring] == ["ASH", "OAK", "ELM"]


def test_nobody_trades_with_oneself() -> None:
    """Two offers of one trader never meet, not in a ring either."""
    mine = offer("OAK", 100, "ASH", "1", "me")
    assert find_ring(offer("ASH", 100, "OAK", "1", "me"), [mine]) is None
    twice = [offer("OAK", 100, "ELM", "1", "other"), offer("ELM", 100, "ASH", "1", "other")]
    assert find_ring(offer("ASH", 100, "OAK", "1", "me"), twice) is None


amounts = st.integers(1, 10**9)
rates = st.integers(1, 10**12) | st.integers(ONE // 4, ONE * 4) | st.sampled_from([ONE, ONE // 2, 2 * ONE])


@st.composite
def books(draw: st.DrawFn) -> list[Offer]:
    """Up to a dozen offers of a few traders."""
    made = []
    for number in range(draw(st.integers(2, 12))):
        give, want = draw(st.permutations(CODES))[:2]
        made.append(
            Offer(
                id=f"o{number}",
                number=number,
                trader=f"t{draw(st.integers(0, 5))}",
                give=give,
                want=want,
                amount=draw(amounts),
                rate=draw(rates),
            )
        )
    return made


def is_just(ring: Ring) -> bool:
    """Nobody gets less than the rate asked, nobody gives more than offered, all give something."""
    gets = [part.amount for part in (*ring[1:], ring[0])]
    return all(
        0 < part.amount <= part.offer.amount and got * ONE >= part.amount * part.offer.rate
        for part, got in zip(ring, gets, strict=True)
    )


@given(books())
def test_every_ring_is_just(book: list[Offer]) -> None:
    """And it goes round: each wants what the next one gives; who stood before gets not a cent too much."""
    ring = find_ring(book[-1], book[:-1])
    if ring is None:
        return
    assert is_just(ring)
    assert ring[0].offer == book[-1]
    assert 2 <= len(ring) <= 5
    assert len({part.offer.trader for part in ring}) == len({part.offer.give for part in ring}) == len(ring)
    for part, following in zip(ring, (*ring[1:], ring[0]), strict=True):
        assert part.offer.want == following.offer.give
        if part is not ring[0]:
            assert (following.amount - 1) * ONE < part.amount * part.offer.rate


small = st.tuples(st.integers(1, 30), st.integers(1, 12))


@given(st.lists(small, min_size=2, max_size=3))
def test_no_larger_ring_would_be_just(terms: list[tuple[int, int]]) -> None:
    """Compared with all amounts that there are: what is found is the most that is just."""
    offers = [
        Offer(id=str(n), number=n, trader=str(n), give=str(n), want="", amount=amount, rate=ONE * sixths // 6)
        for n, (amount, sixths) in enumerate(terms)
    ]
    found = fill(offers)
    best = 0
    for got in range(1, offers[1].amount + 1):
        chain = [got]
        for one in offers[1:]:
            chain.append(-(-chain[-1] * one.rate // ONE))
        given_up = chain[-1]
        fits = all(amount <= one.amount for amount, one in zip(chain, offers[1:], strict=False))
        if fits and given_up <= offers[0].amount and got * ONE >= given_up * offers[0].rate:
            best = got
    assert (0 if found is None else found[1]) == best
