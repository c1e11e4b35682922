"""An operator, and traders."""

import json
import secrets
from pathlib import Path
from typing import Any, Final

import requests

from .running import Caller, Program
from .waiting import wait_until

PREFIX: Final = "/api/v1"


class Trader(Caller):
    """Somebody with a key: a trader, or the operator."""

    def __init__(self, program: Program, trader_id: str, key: str) -> None:
        super().__init__(program.address, PREFIX)
        self.trader_id = trader_id
        self.key = key
        self.session.headers["api_key"] = key

    def balance(self, code: str) -> str:
        """What is on one of the accounts."""
        answer = self.get("/accounts")
        assert answer.status_code == 200, answer.text
        accounts = answer.json()["accounts"]
        return next(str(one["balance"]) for one in accounts if one["currency"] == code)

    def offer(
        self,
        give: str,
        amount: Any,
        want: str,
        rate: Any,
        *,
        key: str | None = None,
        mode: str = "direct",
    ) -> requests.Response:
        """An offer."""
        body = {"give": give, "amount": amount, "want": want, "rate": rate, "mode": mode}
        return self.post("/offers", body, key=key)

    def made(self, give: str, amount: str, want: str, rate: str, *, mode: str = "direct") -> str:
        """The id of an offer that is taken."""
        answer = self.offer(give, amount, want, rate, mode=mode)
        assert answer.status_code in (201, 202), answer.text
        offer_id: str = answer.json()["id"]
        return offer_id

    def cancel(self, offer_id: str) -> requests.Response:
        """Take an offer back."""
        return self.session.delete(f"{self._base}/offers/{offer_id}", timeout=60)

    def take_all_back(self) -> bool:
        """Cancel what is still offered, unless the trader has left; False while a trade runs."""
        answer = self.get("/offers", whose="mine", limit=500)
        if answer.status_code == 401:
            return True
        stand = [one["id"] for one in answer.json() if one["status"] in ("open", "running")]
        return all(self.cancel(one).status_code == 200 for one in stand)

    def seen(self, offer_id: str) -> dict[str, Any]:
        """An offer as it is now."""
        answer = self.get(f"/offers/{offer_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def becomes(self, offer_id: str, status: str) -> dict[str, Any]:
        """An offer, when it is so."""
        wait_until(lambda: self.seen(offer_id)["status"] == status, f"an offer that is {status}")
        return self.seen(offer_id)

    def trade(self, offer_id: str, place: int = 0) -> dict[str, Any]:
        """A trade of an offer, when it is over."""
        wait_until(lambda: len(self.seen(offer_id)["trades"]) > place, "a trade")
        trade_id = self.seen(offer_id)["trades"][place]["trade_id"]
        wait_until(
            lambda: self.get(f"/trades/{trade_id}", wait="true").json()["status"] != "running", "its end"
        )
        found: dict[str, Any] = self.get(f"/trades/{trade_id}").json()
        return found


def operator(program: Program, folder: Path) -> Trader:
    """Who may admit traders; the key is among those of the sample traders."""
    keys = json.loads((folder / "sample-keys.json").read_text())
    return Trader(program, "operator", keys["operator"])


def admit(program: Program, by: Trader, *, named: str = "", **money: str) -> Trader:
    """Somebody new, who has this money."""
    trader_id = named or f"t{secrets.token_hex(4)}"
    answer = by.post("/traders", {"trader_id": trader_id})
    assert answer.status_code in (201, 202), answer.text
    new = Trader(program, trader_id, answer.json()["api_key"])
    wait_until(lambda: new.get(f"/traders/{trader_id}").json()["status"] == "open", "open accounts")
    for code, amount in money.items():
        given = by.post(f"/traders/{trader_id}/deposits", {"currency": code, "amount": amount})
        assert given.status_code in (201, 202), given.text
    wait_until(lambda: all(new.balance(code) == amount for code, amount in money.items()), "money")
    return new
