"""People who use wallets."""

import time
from typing import Final

from .deaths import insist
from .running import Caller, Program

PREFIX: Final = "/api/v1"
PASSWORD: Final = "a long password"
PATIENCE_SECONDS: Final = 60.0


class Person(Caller):
    """A client who is logged in."""

    def __init__(self, program: Program, email: str) -> None:
        super().__init__(program.address, PREFIX)
        self.email = email

    def log_in(self) -> None:
        """Get a token."""
        answer = self.post("/accounts/login-web-token/", {"email": self.email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.session.headers["Authorization"] = f"JWT {answer.json()['token']}"

    @property
    def balance(self) -> str:
        """What is in the wallet."""
        answer = self.get("/payments/balance/")
        assert answer.status_code == 200, answer.text
        balance: str = answer.json()["balance"]
        return balance


def register(program: Program, email: str) -> Person:
    """Somebody new, logged in, as soon as the program takes anything."""
    person = Person(program, email)
    body = {"email": email, "password": PASSWORD, "first_name": "Some", "last_name": "Body"}
    answer = insist(lambda: person.post("/accounts/registration/", body))
    assert answer.status_code == 201, answer.text
    person.log_in()
    return person


def deposit(person: Person, sum: str) -> None:  # noqa: A002 - the API's word
    """Money for somebody's own wallet, as soon as that is there."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = person.post("/payments/make-deposits/", {"sum": sum}, key=f"deposit-{sum}")
        if answer.status_code == 201:
            return
        assert answer.status_code in (202, 503), answer.text
        assert time.monotonic() < until, answer.text
        time.sleep(0.05)
