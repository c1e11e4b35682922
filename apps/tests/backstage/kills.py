"""A story in which a program of wallets is killed again and again, while people go on paying each other.

Every answer that was given stays true, no key has two outcomes, and no money is made or lost.
"""

import random
import time
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Event, Lock, Thread
from typing import Any, Final

import requests

from .people import PATIENCE_SECONDS, Person, deposit, register
from .running import Program

_PEOPLE: Final = 3
_MONEY: Final = Decimal("100.00")


@dataclass
class Story:
    """What was asked, and what was answered."""

    people: list[Person]
    stop: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)
    asked: dict[str, tuple[Person, dict[str, str]]] = field(default_factory=dict)
    answers: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """The number and the outcome of each answer to a key; 202 has no outcome yet."""

    def pay(self, seed: str) -> None:
        """Somebody pays somebody, again and again, each time until there is an answer."""
        chance = random.Random(seed)
        number = 0
        while not self.stop.is_set():
            number += 1
            payer, payee = chance.sample(self.people, 2)
            body = {"user_email": payee.email, "sum": f"{chance.randint(1, 60)}.{chance.randint(0, 99):02}"}
            self.ask(f"{seed}-{number}", payer, body)

    def ask(self, key: str, payer: Person, body: dict[str, str]) -> None:
        """One payment, with a key that stays the same."""
        self.asked[key] = payer, body
        until = time.monotonic() + 3 * PATIENCE_SECONDS
        while True:
            assert time.monotonic() < until, f"{key} has no answer"
            try:
                answer = payer.post("/payments/make-transfer/", body, key=key)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            if answer.status_code in (503, 504):
                time.sleep(0.05)
                continue
            self.note(key, answer)
            if answer.status_code != 202:
                return

    def wait_for_answers(self, more: int) -> None:
        """Until so many more payments have an outcome."""
        until, wanted = time.monotonic() + PATIENCE_SECONDS, len(self.answers) + more
        while len(self.answers) < wanted:
            assert time.monotonic() < until, "nobody is answered"
            time.sleep(0.02)

    def note(self, key: str, answer: requests.Response) -> None:
        """Keep an answer; nothing but these is ever given."""
        assert answer.status_code in (201, 202, 400), answer.text
        told: dict[str, Any] = answer.json()
        if answer.status_code == 400:
            assert told["code"] == "INSUFFICIENT_FUNDS", answer.text
        outcome = {201: "done", 400: "refused"}.get(answer.status_code)
        if outcome is not None:
            with self.lock:
                self.answers.setdefault(key, set()).add((str(told["id"]), outcome))


def play(program: Program, *, kills: int, seed: int) -> None:
    """Kill a running program so many times at random, while people pay; then look whether all is right."""
    chance = random.Random(seed)
    people = [register(program, f"killed{seed}-{number}@example.com") for number in range(_PEOPLE)]
    for one in people:
        deposit(one, str(_MONEY))
    story = Story(people)
    threads = [Thread(target=story.pay, args=(f"{seed}-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(kills):
            story.wait_for_answers(3)
            time.sleep(chance.uniform(0.0, 1.0))
            program.kill()
            program.start()
    finally:
        story.stop.set()
        for thread in threads:
            thread.join(4 * PATIENCE_SECONDS)
    _check(program, story)


def _check(program: Program, story: Story) -> None:
    balances = {one.email: _MONEY for one in story.people}
    for key, (payer, body) in story.asked.items():
        story.ask(key, payer, body)
        assert len(story.answers[key]) == 1, f"{key} has two outcomes: {story.answers[key]}"
        if next(iter(story.answers[key]))[1] == "done":
            balances[payer.email] -= Decimal(body["sum"])
            balances[body["user_email"]] += Decimal(body["sum"])
    until = time.monotonic() + PATIENCE_SECONDS
    while (found := {one.email: Decimal(one.balance) for one in story.people}) != balances:
        assert time.monotonic() < until, (found, balances)
        time.sleep(0.2)
    assert min(balances.values()) >= 0
    program.verify()
