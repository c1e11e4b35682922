"""Invoices: they move nothing, and are paid once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias
from uuid import uuid4

from tests.backstage.people import Person, deposit

NewPerson: TypeAlias = Callable[..., Person]


def _invoice(payee: Person, sum_: str) -> str:
    answer = payee.post("/payments/create-invoice/", {"sum": sum_})
    assert (answer.status_code, answer.json()["status"]) == (201, "open"), answer.text
    number: str = answer.json()["id"]
    return number


def test_an_invoice_of_50_between_100_and_100_leaves_50_and_150(new_person: NewPerson) -> None:
    """Nothing moves before it is paid, and paying it twice is one payment."""
    ada, bob = new_person("100.00"), new_person("100.00")
    number = _invoice(bob, "50.00")
    assert (ada.balance, bob.balance) == ("100.00", "100.00")
    first, second = (ada.post("/payments/pay-invoice/", {"uuid": number}) for _ in range(2))
    assert (first.status_code, first.json()) == (201, second.json())
    assert (ada.balance, bob.balance) == ("50.00", "150.00")


def test_an_invoice_of_150_is_refused_and_stays_open(new_person: NewPerson) -> None:
    """Later, when there is enough, the same invoice is paid."""
    ada, bob = new_person("100.00"), new_person("100.00")
    number = _invoice(bob, "150.00")
    answer = ada.post("/payments/pay-invoice/", {"uuid": number})
    assert (answer.status_code, answer.json()["code"]) == (400, "INSUFFICIENT_FUNDS")
    assert bob.get(f"/payments/transactions/{number}/").json()["status"] == "open"
    deposit(ada, "60.00")
    assert ada.post("/payments/pay-invoice/", {"uuid": number}).status_code == 201
    assert (ada.balance, bob.balance) == ("10.00", "250.00")


def test_an_invoice_is_paid_once_whoever_pays_twice(new_person: NewPerson) -> None:
    """Two pay at once, several times each: one of them pays, the other is told."""
    ada, bea, bob = new_person("100.00"), new_person("100.00"), new_person()
    number = _invoice(bob, "50.00")

    def pay(person: Person) -> int:
        return person.post("/payments/pay-invoice/", {"uuid": number}).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(pay, [ada, bea] * 3))
    assert set(statuses) <= {201, 202, 400}
    assert sorted([ada.balance, bea.balance]) == ["100.00", "50.00"]
    assert bob.balance == "50.00"
    loser = ada if ada.balance == "100.00" else bea
    answer = loser.post("/payments/pay-invoice/", {"uuid": number})
    assert (answer.status_code, answer.json()["code"]) == (400, "ALREADY_PAID")


def test_an_unknown_invoice_and_the_own_one_are_refused(new_person: NewPerson) -> None:
    """With a code, and the field."""
    ada = new_person("10.00")
    for number, code in ((str(uuid4()), "UNKNOWN_INVOICE"), (_invoice(ada, "1.00"), "SAME_ACCOUNT")):
        answer = ada.post("/payments/pay-invoice/", {"uuid": number})
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert "uuid" in answer.json()["fields"]
    assert ada.post("/payments/pay-invoice/", {"uuid": "no number"}).json()["code"] == "INVALID_FIELDS"


def test_a_retried_invoice_is_one_invoice(new_person: NewPerson) -> None:
    """The same key gives the same number; another sum is a conflict."""
    ada = new_person()
    numbers = {ada.post("/payments/create-invoice/", {"sum": "5"}, key="june").json()["id"] for _ in range(2)}
    assert len(numbers) == 1
    other = ada.post("/payments/create-invoice/", {"sum": "6"}, key="june")
    assert (other.status_code, other.json()["code"]) == (400, "KEY_CONFLICT")
