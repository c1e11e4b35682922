"""Traders who make offers without a break, while the exchange is killed."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from threading import Event, Lock
from typing import Any, Final

import msgspec

from house import money
from tests.backstage.deaths import disturb, insist
from tests.backstage.running import Program
from tests.backstage.traders import Trader, admit
from tests.backstage.waiting import wait_until

# Sample traders offer others.
_CODES: Final = ("ASH", "ELM")
_MONEY: Final = "20.00"
_TRADERS: Final = 4
_RATES: Final = ("0.5", "1", "1", "1.25")


class Asked(msgspec.Struct, frozen=True):
    """An offer that was asked for, and the number that it was given."""

    trader: int
    key: str
    give: str
    amount: str
    want: str
    rate: str
    mode: str
    offer_id: str


class Story:
    """What was offered, and what was answered."""

    def __init__(self, program: Program, bank: Trader, seed: int) -> None:
        self._program = program
        self._bank = bank
        self._seed = seed
        self._lock = Lock()
        self._traders = [admit(program, bank, **dict.fromkeys(_CODES, _MONEY)) for _ in range(_TRADERS)]
        self.asked: list[Asked] = []
        self._ended: dict[str, str] = {}
        """What was said of trades that had ended."""

    def busy(self, number: int) -> Callable[[Event], None]:
        """Somebody who has always something to offer, and looks what became of it."""

        def go(stop: Event) -> None:
            chance, count = Random(f"{self._seed} {number}"), 0
            me = Trader(self._program, self._traders[number].trader_id, self._traders[number].key)
            while not stop.is_set():
                count += 1
                give, want = chance.sample(_CODES, 2)
                terms = {
                    "give": give,
                    "amount": money.show(chance.randint(10, 300)),
                    "want": want,
                    "rate": chance.choice(_RATES),
                    "mode": chance.choice(("direct", "escrow")),
                }
                key = f"{self._seed}-{number}-{count}"
                one = Asked(trader=number, key=key, offer_id=_ask(me, key, terms), **terms)
                with self._lock:
                    self.asked.append(one)
                for trade in insist(lambda: me.get("/trades", limit=5)).json():
                    self._note(trade)

        return go

    def _note(self, trade: dict[str, Any]) -> None:
        if trade["status"] == "running":
            return
        with self._lock:
            known = self._ended.setdefault(trade["id"], trade["status"])
        assert known == trade["status"], trade

    def check(self) -> None:
        """Each key is one offer, no trade is torn, and the money is where the trades say."""
        for one in self.asked:
            terms = {name: getattr(one, name) for name in ("give", "amount", "want", "rate", "mode")}
            assert _ask(self._traders[one.trader], one.key, terms) == one.offer_id
        assert len({one.offer_id for one in self.asked}) == len(self.asked)
        trades = self._all_trades()
        for trade in trades.values():
            self._note(trade)
        assert {trade["status"] for trade in trades.values()} <= {"done", "failed"}
        assert set(self._ended) <= set(trades)
        balances = Counter(
            {(one.trader_id, code): money.parse(_MONEY) for one in self._traders for code in _CODES}
        )
        for trade in trades.values():
            for leg in trade["legs"] if trade["status"] == "done" else ():
                cents = money.parse(leg["amount"])
                balances[leg["giver"], leg["currency"]] -= cents
                balances[leg["receiver"], leg["currency"]] += cents
        wait_until(partial(self._have, balances), f"{balances}")
        self._program.verify()
        print(f"{len(self.asked)} offers, {Counter(trade['status'] for trade in trades.values())}")

    def _all_trades(self) -> dict[str, dict[str, Any]]:
        """Of all offers; those that are open are taken back first, so that no more come."""
        trades: set[str] = set()
        for one in self.asked:
            trader = self._traders[one.trader]

            def is_over(trader: Trader = trader, offer_id: str = one.offer_id) -> bool:
                trader.cancel(offer_id)
                seen = trader.seen(offer_id)
                is_running = any(part["status"] == "running" for part in seen["trades"])
                return seen["status"] in ("filled", "cancelled", "refused") and not is_running

            wait_until(is_over, f"the end of {one}", 120)
            trades |= {part["trade_id"] for part in trader.seen(one.offer_id)["trades"]}
        return {one: self._bank.get(f"/trades/{one}").json() for one in trades}

    def _have(self, balances: Counter[tuple[str, str]]) -> bool:
        return all(
            one.balance(code) == money.show(balances[one.trader_id, code])
            for one in self._traders
            for code in _CODES
        )


def _ask(trader: Trader, key: str, terms: dict[str, str]) -> str:
    answer = insist(lambda: trader.offer(**terms, key=key))
    assert answer.status_code in (201, 202), answer.text
    offer_id: str = answer.json()["id"]
    return offer_id


def tell(program: Program, bank: Trader, *, kills: int, seed: int) -> None:
    """Kill it so many times; then look whether all is right."""
    story = Story(program, bank, seed)
    busy = [story.busy(number) for number in range(_TRADERS)]
    disturb(program, busy, kills=kills, chance=Random(seed), count=lambda: len(story.asked))
    story.check()
