"""Sellers, and an administrator."""

from typing import Any, Final

import requests

from shop.samples import ADMIN
from shop.samples import PASSWORD as SAMPLE_PASSWORD
from tests.backstage.running import Caller, Program
from tests.backstage.waiting import wait_until

PREFIX: Final = "/api"
PASSWORD: Final = "a long password"


class Person(Caller):
    """Somebody with a name and a password."""

    def __init__(self, program: Program, username: str, password: str = PASSWORD) -> None:
        super().__init__(program.address, PREFIX)
        self.username, self._password = username, password

    def log_in(self) -> None:
        """Get a token."""
        answer = self.post("/token/", {"username": self.username, "password": self._password})
        assert answer.status_code == 200, answer.text
        self.session.headers["Authorization"] = f"Token {answer.json()['token']}"

    @property
    def balance(self) -> str:
        """The credit that is left."""
        answer = self.get("/balance/")
        assert answer.status_code == 200, answer.text
        balance: str = answer.json()["balance"]
        return balance

    def ask(self, amount: Any) -> requests.Response:
        """Ask for credit."""
        return self.post("/credit-request/", {"amount": amount})

    def decide(self, request_id: int, decision: str) -> requests.Response:
        """Approve or reject."""
        return self.post(f"/credit-requests/{request_id}/{decision}/")

    def charge(self, amount: Any, number: str = "+15550100", *, key: str | None = None) -> requests.Response:
        """Sell."""
        return self.post("/charge/", {"phone_number": number, "amount": amount}, key=key)


def the_admin(program: Program) -> Person:
    """The administrator among the sample people, logged in as soon as there is one."""
    one = Person(program, ADMIN, SAMPLE_PASSWORD)
    body = {"username": ADMIN, "password": SAMPLE_PASSWORD}
    wait_until(
        lambda: requests.post(f"{program.address}/api/token/", json=body, timeout=60).ok, "sample people"
    )
    one.log_in()
    return one


def register(program: Program, username: str) -> Person:
    """A new seller, logged in."""
    one = Person(program, username)
    answer = one.post("/create/", {"username": username, "password": PASSWORD, "name": "A Kiosk"})
    assert answer.status_code == 201, answer.text
    one.log_in()
    wait_until(lambda: one.get("/balance/").json()["is_open"], "an account")
    return one
