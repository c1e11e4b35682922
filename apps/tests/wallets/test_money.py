"""Money in wallets, with figures, over HTTP against the running program."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.backstage.running import Program

from .people import Person

NewPerson: TypeAlias = Callable[..., Person]


def test_a_deposit_of_666_gives_a_balance_of_666(new_person: NewPerson) -> None:
    """What is deposited is in the wallet when the answer comes."""
    assert new_person("666.00").balance == "666.00"


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
    """A request may be sent again: it is the same payment, and other terms are refused."""
    ada, bob = new_person("100.00"), new_person()
    body = {"user_email": bob.email, "sum": "10.00"}
    first, second = (ada.post("/payments/make-transfer/", body, key="rent") for _ in range(2))
    assert first.json() == second.json()
    other = ada.post("/payments/make-transfer/", body | {"sum": "11.00"}, key="rent")
    assert (other.status_code, other.json()["code"]) == (400, "KEY_CONFLICT")
    assert (ada.balance, bob.balance) == ("90.00", "10.00")


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
    done = wallets.command("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 differ" in done.stdout
