"""An operator, and people with phones."""

import json
import secrets
from pathlib import Path
from typing import Any, Final

import requests

from tests.backstage.running import Caller, Program

PREFIX: Final = "/api/v1"


class Holder(Caller):
    """Somebody with a key: a phone, or the operator."""

    def __init__(self, program: Program, user_id: str, key: str) -> None:
        super().__init__(program.address, PREFIX)
        self.user_id = user_id
        self.key = key
        self.session.headers["api_key"] = key

    @property
    def balance(self) -> str:
        """What is on the account."""
        answer = self.get(f"/accounts/{self.user_id}")
        assert answer.status_code == 200, answer.text
        balance: str = answer.json()["balance"]
        return balance

    def send(self, key: str, amount: Any, **more: Any) -> requests.Response:
        """The half of who pays."""
        body = {"key": key, "user_id": self.user_id, "transfer_amount": amount, "os_sender": "test"}
        return self.post("/send/", body | {"transaction_time": "now"} | more)

    def receive(
        self, key: str, sender_id: str, amount: Any, *, path: str = "/receive/", **more: Any
    ) -> requests.Response:
        """The half of who is paid."""
        body = {"key": key, "user_id": self.user_id, "sender_id": sender_id, "expected_amount": amount}
        return self.post(path, body | {"os_receiver": "test"} | more)


def operator(program: Program, folder: Path) -> Holder:
    """Who may open accounts; the key is among those of the sample people."""
    keys = json.loads((folder / "sample-keys.json").read_text())
    return Holder(program, "operator", keys["operator"])


def create(program: Program, by: Holder, user_id: str, balance: str) -> Holder:
    """Somebody new, whose account is open."""
    body = {
        "user_id": user_id,
        "account_number": f"N-{user_id}",
        "balance": balance,
        "account_type": "current",
        "bank_sender": "A Bank",
    }
    answer = by.post("/create/", body)
    assert answer.status_code in (201, 202), answer.text
    return Holder(program, user_id, answer.json()["api_key"])


def let_five_minutes_pass(program: Program, key: str) -> None:
    """A tap was begun so long ago."""
    program.sql("UPDATE tap_tap SET created_at = created_at - interval '5 minutes' WHERE key = %s", key)


def new_tap() -> str:
    """A key as phones make it."""
    return secrets.token_urlsafe(18)
