"""The script that plays two phones, and a program that is killed between their halves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from house.settings import Reader
from tap.settings import alone_seconds
from tests.backstage.running import Program, embedded
from tests.backstage.waiting import wait_until

from .people import Holder, create, new_tap, operator


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    """Tap, with all in one folder, whose operator may issue 500.00."""
    with embedded("tap", folder, APP_ISSUING_LIMIT="50000") as one:
        wait_until((folder / "sample-keys.json").exists, "sample people")
        yield one


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--amount", "1.20"), "ada -> blaise: 1.20: done\n"),
        (
            ("--amount", "1.20", "--mismatch"),
            "ada -> blaise: 1.20: failed 300 (The phones name different amounts.)\n",
        ),
        (("--amount", "1.20", "--alone"), "ada -> ?: 1.20: waiting\n"),
        (("--amount", "0.10", "--many", "5"), "5 x ada -> blaise: 0.10: done\n"),
    ],
)
def test_phones_touch_each_other(program: Program, arguments: tuple[str, ...], said: str) -> None:
    """The script says what became of each tap."""
    played = program.command("phones", *arguments)
    assert (played.returncode, played.stdout) == (0, said), played.stderr


def test_a_wrong_amount_is_wrong_usage(program: Program) -> None:
    """One line says what is expected."""
    played = program.command("phones", "--amount", "1.234")
    assert played.returncode == 2
    assert "at most two decimals" in played.stderr


def test_a_lone_half_waits_for_five_minutes() -> None:
    """If nothing else is said."""
    assert alone_seconds(Reader({})) == 300
    assert alone_seconds(Reader({"TAP_ALONE_SECONDS": "20"})) == 20


def test_no_more_is_issued_than_the_issuer_may(program: Program, folder: Path) -> None:
    """More than the limit is no amount; what is more together with what was issued, the server refuses."""
    bank = operator(program, folder)
    body = {"user_id": "max", "account_number": "N-max", "account_type": "current", "bank_sender": "A Bank"}
    much = bank.post("/create/", body | {"balance": "500.01"})
    assert (much.status_code, much.json()["code"]) == (422, "INVALID_AMOUNT")
    # 200.00 are on the accounts of the sample people.
    wait_until(lambda: bank.post("/create/", body | {"balance": "400.00"}).status_code != 202, "an answer")
    refused = bank.post("/create/", body | {"balance": "400.00"})
    assert (refused.status_code, refused.json()["code"]) == (422, "INSUFFICIENT_FUNDS")
    seen = bank.get("/accounts/max").json()
    assert (seen["status"], seen["balance"]) == ("open", "0.00")


def test_a_program_that_is_killed_between_two_halves_goes_on(program: Program, folder: Path) -> None:
    """The first half is there after the start, and the second moves the money once."""
    bank = operator(program, folder)
    payer, payee = (create(program, bank, name, "10.00") for name in ("kim", "lee"))
    key = new_tap()
    assert payer.send(key, "4").status_code == 202
    # A lone half beside a payment stays as it is.
    beside = new_tap()
    assert payer.send(beside, "10").status_code == 202
    payee.receive(beside, "kim", "10")
    wait_until(lambda: (payer.balance, payee.balance) == ("0.00", "20.00"), "the payment beside it")
    assert payer.get(f"/transactions/{key}").json()["status"] == "waiting"
    back = new_tap()
    payee.send(back, "10")
    payer.receive(back, "lee", "10")
    wait_until(lambda: (payer.balance, payee.balance) == ("10.00", "10.00"), "the payment back")
    program.kill()
    program.start()
    payer, payee = (Holder(program, one.user_id, one.key) for one in (payer, payee))
    wait_until(lambda: payee.get(f"/transactions/{key}").status_code != 503, "a program that answers")
    assert payer.send(key, "4").json()["status"] == "waiting"
    seen = payee.receive(key, "kim", "4").json()["status"]
    assert seen in ("running", "done")
    wait_until(lambda: (payer.balance, payee.balance) == ("6.00", "14.00"), "both balances")
