"""Applications whose database was lost, and put back from a backup: the others than wallets, as these."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_urlsafe
from typing import TypeAlias

import pytest
import requests

from tests.backstage.elsewhere import back_up, restore, server_elsewhere, swpt_client
from tests.backstage.folders import new_folder
from tests.backstage.running import Caller, Program
from tests.backstage.traders import Trader
from tests.backstage.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

Ask: TypeAlias = Callable[[], bool]
"""Asks for one payment among the sample people; again, it is the same; says whether it is done."""


def _is(answer: requests.Response, status: str) -> bool:
    found: str = answer.json().get("status", "")
    return found == status


def _caller(
    program: Program, prefix: str, scheme: str, where: str, who: Mapping[str, str], name: str
) -> Caller:
    caller = Caller(program.address, prefix)
    wait_until(lambda: caller.post(where, who).ok, "sample people")
    caller.session.headers["Authorization"] = f"{scheme} {caller.post(where, who).json()[name]}"
    return caller


def _sell(program: Program, _folder: Path) -> Ask:
    who = {"username": "ada", "password": "shop-sample"}
    seller = _caller(program, "/api", "Token", "/token/", who, "token")
    body, key = {"phone_number": "+15550100", "amount": "1.00"}, token_urlsafe()

    def ask() -> bool:
        return _is(seller.post("/charge/", body, key=key), "completed")

    return ask


def _give(program: Program, _folder: Path) -> Ask:
    who = {"name": "Ada", "password": "till-sample"}
    ada = _caller(program, "/api/v1", "Bearer", "/login", who, "bearer")
    body = {"token": ada.post("/tokens").json()["token"], "to": "Blaise", "amount": "1.00"}
    return lambda: _is(ada.post("/transfers", body), "done")


def _keys(folder: Path) -> dict[str, str]:
    wait_until((folder / "sample-keys.json").exists, "sample people")
    found: dict[str, str] = json.loads((folder / "sample-keys.json").read_text())
    return found


def _tap(program: Program, folder: Path) -> Ask:
    phones = {name: Trader(program, name, key) for name, key in _keys(folder).items()}
    key = token_urlsafe(18)
    send = {"key": key, "user_id": "ada", "transfer_amount": "1.00"}
    receive = {"key": key, "user_id": "blaise", "sender_id": "ada", "expected_amount": "1.00"}

    def ask() -> bool:
        phones["ada"].post("/send/", send)
        return _is(phones["blaise"].post("/receive/", receive), "done")

    return ask


def _trade(program: Program, folder: Path) -> Ask:
    traders = {name: Trader(program, name, key) for name, key in _keys(folder).items()}
    key = token_urlsafe()

    def ask() -> bool:
        traders["ada"].offer("OAK", "1.00", "ASH", "1", key=key)
        return _is(traders["blaise"].offer("ASH", "1.00", "OAK", "1", key=key), "filled")

    return ask


@pytest.mark.parametrize(
    ("name", "begin"), [("exchange", _trade), ("shop", _sell), ("tap", _tap), ("till", _give)]
)
def test_after_a_restore_nothing_is_paid_again_and_ledgers_go_on(
    name: str, begin: Callable[[Program, Path], Ask]
) -> None:
    """What was paid after the backup is one marked entry of each ledger; what is asked then, is paid."""
    with server_elsewhere(name) as environ, new_folder() as folder:
        url = environ["POSTGRES_URL"]
        program = Program(name, environ | {"APP_SAMPLES": "yes", "APP_FOLDER": str(folder)})
        with program:
            wait_until(begin(program, folder), "a payment before the backup")
        copy = back_up(url)
        with program:
            wait_until(begin(program, folder), "a payment after the backup")
        restore(url, copy)
        swpt_client(url, "park")
        with program:
            begin(program, folder)()
            wait_until(lambda: len(swpt_client(url, "behind").splitlines()) >= 2, "what the server tells")
            swpt_client(url, "close-tails")
            wait_until(begin(program, folder), "a payment after the restore")
            program.verify()
