"""Each application in a minute: sample people, or new ones, let money move."""

from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_hex
from typing import Final

from apps.tests.backstage.people import deposit, register
from apps.tests.backstage.running import Caller, Program
from apps.tests.backstage.traders import admit, operator
from apps.tests.backstage.waiting import wait_until


def _pay_by_wallet(program: Program, _folder: Path) -> None:
    payer, payee = (register(program, f"{token_hex(4)}@example.com") for _ in range(2))
    deposit(payer, "100.00")
    payer.post("/payments/make-transfer/", {"user_email": payee.email, "sum": "70.00"}, key="once")
    wait_until(lambda: (payer.balance, payee.balance) == ("30.00", "70.00"), "both balances")


def _recharge(program: Program, _folder: Path) -> None:
    person = Caller(program.address, "/api/v1")
    who = {"name": "Ada", "password": "till-sample"}
    wait_until(lambda: person.post("/login", who).ok, "sample people")
    person.session.headers["Authorization"] = f"Bearer {person.post('/login', who).json()['bearer']}"
    before = float(person.get("/me").json()["balance"])
    body = {"token": person.post("/tokens").json()["token"], "amount": "5.00"}
    wait_until(lambda: person.post("/recharges", body).json().get("status") == "done", "the recharge")
    wait_until(lambda: float(person.get("/me").json()["balance"]) >= before + 5, "the balance")


def _tap(program: Program, folder: Path) -> None:
    wait_until((folder / "sample-keys.json").exists, "sample people")

    def touch() -> bool:
        # The accounts of sample people may not be open yet.
        return program.command("phones", "--amount", "1.20").stdout == "ada -> blaise: 1.20: done\n"

    wait_until(touch, "a tap")


def _sell(program: Program, _folder: Path) -> None:
    seller = Caller(program.address, "/api")
    who = {"username": "ada", "password": "shop-sample"}
    wait_until(lambda: seller.post("/token/", who).ok, "sample people")
    seller.session.headers["Authorization"] = f"Token {seller.post('/token/', who).json()['token']}"
    wait_until(lambda: seller.get("/balance/").json()["balance"] == "500.00", "the credit")
    assert seller.post("/charge/", {"phone_number": "+15550100", "amount": "40.00"}).status_code == 202
    wait_until(lambda: seller.get("/balance/").json()["balance"] == "460.00", "the sale")


def _exchange(program: Program, folder: Path) -> None:
    wait_until((folder / "sample-keys.json").exists, "sample traders")
    bank = operator(program, folder)
    one, two = admit(program, bank, ELM="2.00"), admit(program, bank, ASH="3.00")
    one.made("ELM", "2.00", "ASH", "1.5", mode="escrow")
    assert two.trade(two.made("ASH", "3.00", "ELM", "0.6"))["status"] == "done"
    wait_until(lambda: (one.balance("ASH"), two.balance("ELM")) == ("3.00", "2.00"), "both balances")


STORIES: Final[Mapping[str, Callable[[Program, Path], None]]] = {
    "exchange": _exchange,
    "shop": _sell,
    "tap": _tap,
    "till": _recharge,
    "wallets": _pay_by_wallet,
}
"""What to do with a running program, whose folder is given, by its name."""
