"""The history of a wallet."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.backstage.people import Person

NewPerson: TypeAlias = Callable[..., Person]


def test_the_history_has_what_moved_and_what_has_not(new_person: NewPerson) -> None:
    """Entries of the ledger with the balance after each, open invoices, and nothing of others."""
    ada, bob = new_person("100.00"), new_person()
    ada.post("/payments/make-transfer/", {"user_email": bob.email, "sum": "30.00"})
    ada.post("/payments/make-transfer/", {"user_email": bob.email, "sum": "500.00"})
    ada.post("/payments/create-invoice/", {"sum": "5.00"})
    lines = ada.get("/payments/transactions/").json()
    shown = [
        (one["kind"], one["status"], one["sum"], one["balance"], one["other"]) for one in lines["results"]
    ]
    assert shown == [
        ("invoice", "open", "5.00", None, None),
        ("transfer", "done", "-30.00", "70.00", bob.email),
        ("deposit", "done", "100.00", "100.00", None),
    ]
    done = ada.get("/payments/transactions/", is_done="true").json()
    assert (done["count"], [one["is_done"] for one in done["results"]]) == (2, [True, True])
    left = ada.get("/payments/transactions/", is_done="false").json()
    assert (left["count"], [one["kind"] for one in left["results"]]) == (1, ["invoice"])


def test_pages_do_not_overlap(new_person: NewPerson) -> None:
    """Page and page size choose; beyond the end there is nothing."""
    ada, bob = new_person("10.00"), new_person()
    for number in range(1, 5):
        ada.post("/payments/make-transfer/", {"user_email": bob.email, "sum": f"0.0{number}"})
    pages = [
        [one["sum"] for one in ada.get("/payments/transactions/", page=page, page_size=2).json()["results"]]
        for page in (1, 2, 3, 4)
    ]
    assert pages == [["-0.04", "-0.03"], ["-0.02", "-0.01"], ["10.00"], []]


@pytest.mark.parametrize(
    "query", [{"page": "0"}, {"page_size": "101"}, {"is_done": "maybe"}, {"page": "1.5"}, {"other": "1"}]
)
def test_a_wrong_question_is_refused(new_person: NewPerson, query: dict[str, str]) -> None:
    """By its name."""
    answer = new_person().get("/payments/transactions/", **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_FIELDS")
    assert set(answer.json()["fields"]) == set(query)


def test_a_transaction_of_others_is_not_found(new_person: NewPerson) -> None:
    """Who has no part in it does not even hear that it is there."""
    ada, bob, eve = new_person("10.00"), new_person(), new_person()
    number = ada.post("/payments/make-transfer/", {"user_email": bob.email, "sum": "1"}).json()["id"]
    seen = [one.get(f"/payments/transactions/{number}/").status_code for one in (ada, bob, eve)]
    assert seen == [200, 200, 404]
