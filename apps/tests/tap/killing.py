"""Three people with phones that touch each other without a break, while the program is killed."""

from collections.abc import Callable
from functools import partial
from random import Random
from threading import Event, Lock
from typing import Any, Final

import msgspec
import requests

from house import money
from tests.backstage.deaths import disturb, insist
from tests.backstage.running import Program
from tests.backstage.waiting import wait_until

from .people import Holder, create

_CENTS: Final = 10_000
_PEOPLE: Final = 3
_ENDED: Final = ("done", "failed")


class Played(msgspec.Struct, frozen=True):
    """A tap, and how it ended."""

    key: str
    payer: int
    payee: int
    amount: str
    expected: str
    status: str
    errors: tuple[int, ...]


class Story:
    """What was tapped, and what was answered."""

    def __init__(self, program: Program, bank: Holder, seed: int) -> None:
        self._program = program
        self._seed = seed
        self._lock = Lock()
        self._people = [
            create(program, bank, f"busy{seed}-{number}", money.show(_CENTS)) for number in range(_PEOPLE)
        ]
        self.played: list[Played] = []
        for number in range(_PEOPLE):
            wait_until(partial(self._has, number, _CENTS), "the first money")

    def busy(self, number: int) -> Callable[[Event], None]:
        """Somebody who has always something to pay."""

        def go(stop: Event) -> None:
            chance, count = Random(f"{self._seed} {number}"), 0
            # Sessions are for one thread.
            people = [Holder(self._program, one.user_id, one.key) for one in self._people]
            while not stop.is_set():
                count += 1
                payer, payee = chance.sample(range(_PEOPLE), 2)
                amount = money.show(chance.choice((1, 120, 777, 2 * _CENTS)))
                expected = amount if chance.random() < 0.8 else money.show(_CENTS + 1)
                key = f"random-key-{self._seed}-{number}-{count}"
                one = self._play(people, chance, (key, payer, payee, amount, expected))
                with self._lock:
                    self.played.append(one)

        return go

    def _play(self, people: list[Holder], chance: Random, terms: tuple[str, int, int, str, str]) -> Played:
        key, payer, payee, amount, expected = terms
        halves: list[Callable[[], requests.Response]] = [
            lambda: people[payer].send(key, amount),
            lambda: people[payee].receive(key, people[payer].user_id, expected),
        ]
        chance.shuffle(halves)
        for half in halves:
            answer = insist(half)
            assert answer.status_code in (200, 202), answer.text
        seen = self._ended(people[payer], key)
        return Played(*terms, status=seen["status"], errors=tuple(seen["errors"]))

    @staticmethod
    def _ended(who: Holder, key: str) -> dict[str, Any]:
        while True:
            seen: dict[str, Any] = insist(lambda: who.get(f"/transactions/{key}", wait="true")).json()
            if seen["status"] in _ENDED:
                return seen

    def _has(self, number: int, cents: int) -> bool:
        return self._people[number].balance == money.show(cents)

    def check(self) -> None:
        """What was answered is still true, and the money is where it was said to be."""
        balances = [_CENTS] * _PEOPLE
        for one in self.played:
            terms = one.key, one.payer, one.payee, one.amount, one.expected
            assert self._play(self._people, Random(0), terms) == one
            if one.status == "done":
                assert one.amount == one.expected
                balances[one.payer] -= money.parse(one.amount)
                balances[one.payee] += money.parse(one.amount)
            else:
                assert (300 in one.errors) == (one.amount != one.expected), one
                assert set(one.errors) <= {100, 300}, one
        assert min(balances) >= 0
        for number, cents in enumerate(balances):
            wait_until(partial(self._has, number, cents), f"{cents} on the account of {number}")
        self._program.verify()


def tell(program: Program, bank: Holder, *, kills: int, seed: int) -> None:
    """Kill it so many times; then look whether all is right."""
    story = Story(program, bank, seed)
    busy = [story.busy(number) for number in range(_PEOPLE)]
    disturb(program, busy, kills=kills, chance=Random(seed), count=lambda: len(story.played))
    story.check()
    outcomes = [(one.status, *one.errors) for one in story.played]
    print({one: outcomes.count(one) for one in sorted(set(outcomes))})
