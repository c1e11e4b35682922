"""A story at the till whose program is killed: who asks, asks again, and is never told two things."""

import time
from random import Random
from threading import Event, Thread
from typing import Any, Final

import msgspec
import requests

from tests.backstage.running import Program

from .people import PASSWORD, Administration, Person, until

PRICE_CENTS: Final = 50
STOCK: Final = 500
PATIENCE_SECONDS: Final = 300.0


class Told(msgspec.Struct):
    """What was asked for, and what was said of it."""

    path: str
    body: dict[str, Any]
    deed: str
    status: str
    code: str


class Shopper:
    """Somebody who buys, recharges, gives and undoes without a break, and writes everything down."""

    def __init__(self, person: Person, others: list[str], product: int, seed: int) -> None:
        self.person = person
        self.told: list[Told] = []
        self._others = others
        self._product = product
        self._random = Random(seed)

    def go(self, stop: Event) -> None:
        """Until it is enough."""
        while not stop.is_set():
            self.told.append(self.ask(*self._choose()))

    def _choose(self) -> tuple[str, dict[str, Any]]:
        token = self._insist("/tokens", {})["token"]
        done = [one for one in self.told if one.status == "done" and not one.path.endswith("/undo")]
        choice = self._random.randrange(10)
        if choice < 2 and done:
            return f"/deeds/{self._random.choice(done[-5:]).deed}/undo", {"token": token}
        if choice < 4:
            return "/recharges", {"token": token, "amount": "1.00"}
        if choice < 6:
            other = self._random.choice(self._others)
            return "/transfers", {"token": token, "to": other, "amount": "0.75", "note": "thanks"}
        return "/purchases", {"token": token, "product_id": self._product, "price": "0.50"}

    def ask(self, path: str, body: dict[str, Any]) -> Told:
        """Ask until there is an answer that stays."""
        answer = self._insist(path, body)
        return Told(path, body, answer.get("id", ""), answer.get("status", ""), answer.get("code", ""))

    def _insist(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert time.monotonic() < end, f"no answer to {path} {body}"
            try:
                answer = self.person.post(path, body)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            # Away, in doubt, or still running: the same again.
            if answer.status_code not in (202, 503, 504):
                assert answer.status_code < 500, answer.text
                found: dict[str, Any] = answer.json()
                return found


def office_of(program: Program) -> Administration:
    """Somebody who is logged in to the administration, as soon as the samples are there."""
    office = Administration(program)
    until(lambda: office.post("/administration", password=PASSWORD).status_code == 200, "the password")
    return office


def tell(program: Program, office: Administration, seed: int, kills: int) -> None:
    """Kill the program so many times at random while three people are busy; then all is right."""
    random = Random(seed)
    names = [f"Busy {seed} {number}" for number in range(3)]
    people = [Person(program, name, office.admit(name)).log_in().rich("5.00") for name in names]
    product = office.sell(f"Something {seed}", "0.50", STOCK)
    shoppers = [
        Shopper(one, [name for name in names if name != one.name], product, random.randrange(2**32))
        for one in people
    ]
    stop = Event()
    threads = [Thread(target=one.go, args=(stop,), daemon=True) for one in shoppers]
    for thread in threads:
        thread.start()
    for _ in range(kills):
        time.sleep(random.uniform(0.2, 2.5))
        program.kill()
        program.start()
    # Something must still be possible after the last one.
    counts = [len(one.told) for one in shoppers]
    until(lambda: all(len(one.told) > count for one, count in zip(shoppers, counts, strict=True)), "answers")
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    _check(program, office, shoppers, product)


def _check(program: Program, office: Administration, shoppers: list[Shopper], product: int) -> None:
    """What was said is still true, the money is where it was said to be, and verify finds nothing."""
    deeds: dict[str, Told] = {}
    undone: set[str] = set()
    for shopper in shoppers:
        for one in shopper.told:
            again = shopper.ask(one.path, one.body)
            assert (again.deed, again.code) == (one.deed, one.code) or again.code == "ALREADY_UNDONE", (
                one,
                again,
            )
            if one.path.endswith("/undo"):
                if not one.code or one.code == "ALREADY_UNDONE":
                    undone.add(one.deed)
            elif not one.code:
                assert one.deed not in deeds, "one token is one deed"
                assert again.status in ("done", "undone"), (one, again)
                deeds[one.deed] = one
    balances = {one.person.name: 500 for one in shoppers}
    for shopper in shoppers:
        for one in shopper.told:
            if one.deed in deeds and deeds[one.deed] is one and one.deed not in undone:
                _apply(balances, shopper.person.name, one)
    bought = sum(one.path == "/purchases" and deed not in undone for deed, one in deeds.items())
    found = {one.person.name: round(float(one.person.balance) * 100) for one in shoppers}
    assert found == balances
    assert office.stock(product) == STOCK - bought
    program.verify()


def _apply(balances: dict[str, int], name: str, one: Told) -> None:
    if one.path == "/recharges":
        balances[name] += 100
    elif one.path == "/transfers":
        balances[name] -= 75
        balances[one.body["to"]] += 75
    else:
        balances[name] -= PRICE_CENTS
