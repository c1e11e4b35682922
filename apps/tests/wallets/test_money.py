"""Money in wallets, with figures, over HTTP against the running program."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeAlias

import pytest
from flask import Flask

from tests.backstage.people import PREFIX, Person
from tests.backstage.running import Caller, Program
from tests.backstage.waiting import wait_until
from wallets.program import SAMPLE_PASSWORD

NewPerson: TypeAlias = Callable[..., Person]


def test_a_deposit_of_666_gives_a_balance_of_666(new_person: NewPerson) -> None:
    """What is deposited is in the wallet when the answer comes."""
    assert new_person("666.00").balance == "666.00"


def test_9_999_999_99_is_the_largest_sum(new_person: NewPerson) -> None:
    """One cent more is refused."""
    ada = new_person("9999999.99")
    assert ada.balance == "9999999.99"
    refused = ada.post("/payments/make-deposits/", {"sum": "10000000.00"})
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_AMOUNT")


def test_70_of_100_leaves_30_and_70(new_person: NewPerson) -> None:
    """A transfer is in both wallets when the answer comes."""
    ada, bob = new_person("100.00"), new_person()
    answer = ada.post("/payments/make-transfer/", {"user_email": bob.email, "sum": "70.00"})
    assert (answer.status_code, answer.json()["status"]) == (201, "done")
    assert (ada.balance, bob.balance) == ("30.00", "70.00")


def test_150_of_100_is_refused_and_nothing_moves(new_person: NewPerson) -> None:
    """Who has not enough is told so, with a code."""
    ada, bob = new_person("100.00"), new_person()
    answer = ada.post("/payments/make-transfer/", {"user_email": bob.email, "sum": "150.00"})
    assert (answer.status_code, answer.json()["code"]) == (400, "INSUFFICIENT_FUNDS")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (ada.balance, bob.balance) == ("100.00", "0.00")


def test_the_same_key_pays_once_and_other_terms_conflict(new_person: NewPerson) -> None:
    """Sent again, or sixteen times at once, it is the same payment; other terms are refused."""
    ada, bob = new_person("100.00"), new_person()
    body = {"user_email": bob.email, "sum": "10.00"}
    first, second = (ada.post("/payments/make-transfer/", body, key="rent") for _ in range(2))
    assert first.json() == second.json()
    other = ada.post("/payments/make-transfer/", body | {"sum": "11.00"}, key="rent")
    assert (other.status_code, other.json()["code"]) == (400, "KEY_CONFLICT")
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ada.post, "/payments/make-transfer/", body, key="again") for _ in range(16)]
    assert {one.result().status_code for one in asked} <= {201, 202}
    assert len({one.result().json()["id"] for one in asked}) == 1
    wait_until(lambda: (ada.balance, bob.balance) == ("80.00", "20.00"), "both balances")


@pytest.mark.parametrize("sum_", [1.2, "1.234", "-5", "0", "0.00", "10000000.00", True, None, "1e3", "٣", []])
def test_what_is_no_sum_is_refused(new_person: NewPerson, sum_: object) -> None:
    """Floats, three decimals, negative, zero, and more than 9,999,999.99."""
    answer = new_person().post("/payments/make-transfer/", {"user_email": "ada@example.com", "sum": sum_})
    assert answer.status_code == 400
    assert answer.json()["code"] in ("INVALID_AMOUNT", "INVALID_FIELDS")
    assert "sum" in answer.json()["fields"]


def test_verify_finds_no_difference(wallets: Program, new_person: NewPerson) -> None:
    """`wallets verify` compares everything, beside the running program."""
    new_person("5.00")
    wallets.verify()


@pytest.mark.parametrize(
    ("told", "has_entry", "said"),
    [
        (501, True, "DIFFERS: account {}: expected 501, found 500\n"),
        # the end of a ledger whose tail was closed, by an entry without a transfer
        (500, False, ""),
        (501, False, "DIFFERS: account {}: expected 501, found 500\n"),
    ],
)
def test_verify_compares_a_ledger_with_what_the_server_has_told(
    wallets: Program, new_person: NewPerson, told: int, has_entry: bool, said: str
) -> None:
    """One cent that the server has and the ledger has not is named, and the command fails."""
    ada = new_person("5.00")
    [[creditor_id, record]] = wallets.sql(
        "SELECT creditor_id, record FROM smp_account WHERE creditor_id ="
        " (SELECT creditor_id FROM wallets_client WHERE email = %s)",
        ada.email,
    )
    known = json.loads(record)
    number = known["ledger"]["last_transfer_number"] + (0 if has_entry else 7)
    # Later than whatever the server tells meanwhile, so that it stays.
    later = {"last_change_ts": 2**62, "last_transfer_number": number, "principal": told}
    ends = {"data": known["data"] | later, "ledger": known["ledger"] | {"last_transfer_number": number}}
    change = "UPDATE smp_account SET record = %s WHERE creditor_id = %s"
    wallets.sql(change, json.dumps(known | ends), creditor_id)
    try:
        done = wallets.command("verify")
    finally:
        wallets.sql(change, record, creditor_id)
    lines = [line for line in done.stdout.splitlines(keepends=True) if str(creditor_id) in line]
    assert "".join(lines) == said.format(creditor_id), done.stdout + done.stderr
    assert done.returncode == (1 if said else 0), done.stderr


def test_oneself_and_nobody_cannot_be_paid(new_person: NewPerson) -> None:
    """With a code, and the field."""
    ada = new_person("10.00")
    for email, code in ((ada.email, "SAME_ACCOUNT"), ("nobody@example.com", "UNKNOWN_RECIPIENT")):
        answer = ada.post("/payments/make-transfer/", {"user_email": email, "sum": "1.00"})
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert "user_email" in answer.json()["fields"]
    assert ada.balance == "10.00"


def test_of_70_and_60_from_100_at_once_one_passes(new_person: NewPerson) -> None:
    """The accounting server decides, without a lock of ours: 100 is never spent twice."""
    ada, bob = new_person("100.00"), new_person()

    def pay(sum_: str) -> int:
        body = {"user_email": bob.email, "sum": sum_}
        return ada.post("/payments/make-transfer/", body, key=sum_).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(pay, ["70.00", "60.00"]))
    assert sorted(statuses) == [201, 400]
    expected = ("30.00", "70.00") if statuses[0] == 201 else ("40.00", "60.00")
    assert (ada.balance, bob.balance) == expected


@pytest.mark.parametrize(
    "callers", [pytest.param(40, id="40"), pytest.param(1000, id="1000", marks=pytest.mark.chaos)]
)
def test_of_a_crowd_that_pays_70_and_60_from_100_one_passes(new_person: NewPerson, callers: int) -> None:
    """Each caller has a connection of its own; nobody is answered by a fault of ours."""
    ada, bob = new_person("100.00"), new_person()
    token = ada.session.headers["Authorization"]
    barrier = Barrier(callers)

    def pay(number: int) -> tuple[int, str]:
        caller = Caller(ada.address, PREFIX)
        caller.session.headers["Authorization"] = token
        barrier.wait(60)
        body = {"user_email": bob.email, "sum": "70.00" if number % 2 else "60.00"}
        answer = caller.post("/payments/make-transfer/", body, key=f"caller-{number}")
        if answer.status_code == 202:
            answer = caller.wait_for(f"/payments/transactions/{answer.json()['id']}/")
            return (201 if answer.json()["status"] == "done" else 400), answer.json().get("code", "")
        return answer.status_code, answer.json().get("code", "")

    with ThreadPoolExecutor(callers) as pool:
        answers = Counter(pool.map(pay, range(callers)))
    assert answers == {(201, ""): 1, (400, "INSUFFICIENT_FUNDS"): callers - 1}
    assert (ada.balance, bob.balance) in (("30.00", "70.00"), ("40.00", "60.00"))


def test_only_staff_makes_deposits_if_not_all_may(app: Flask) -> None:
    """Without the setting that gives it to all, for trying out."""
    answers = {}
    with app.test_client() as client:
        for name in ("ada", "staff"):
            body = {"email": f"{name}@example.com", "password": SAMPLE_PASSWORD}
            token = client.post(f"{PREFIX}/accounts/login-web-token/", json=body).get_json()["token"]
            answers[name] = client.post(
                f"{PREFIX}/payments/make-deposits/",
                json={"sum": "0.01", "user_email": "ada@example.com"},
                headers={"Authorization": f"JWT {token}"},
            ).status_code
    assert answers["ada"] == 403
    # Nobody hears the news of what was asked here, so it is still running, unless it was not ready yet.
    assert answers["staff"] in (201, 202)
