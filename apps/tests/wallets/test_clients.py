"""Registration, tokens, and who leaves."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from flask import Flask

from tests.backstage.people import PASSWORD, PATIENCE_SECONDS, PREFIX, Person
from tests.backstage.running import Caller, Program
from wallets.program import SAMPLE_PASSWORD

NewPerson: TypeAlias = Callable[..., Person]


def _registration(email: str, **other: str) -> dict[str, str]:
    return {"email": email, "password": PASSWORD, "first_name": "Ada", "last_name": "L"} | other


def test_a_client_has_one_wallet_and_a_retried_registration_is_safe(wallets: Program) -> None:
    """Ten at once, and one later, are one client, who has one wallet."""
    body = _registration("once@example.com")

    def register(_: int) -> tuple[int, int]:
        answer = Caller(wallets.address, PREFIX).post("/accounts/registration/", body)
        return answer.status_code, answer.json().get("id")

    with ThreadPoolExecutor(5) as pool:
        answers = set(pool.map(register, range(10)))
    assert len(answers) == 1, answers
    assert answers == {register(0)}
    assert {status for status, _ in answers} == {201}


def test_an_address_that_somebody_has_is_refused(wallets: Program, new_person: NewPerson) -> None:
    """With another password it is somebody else, in whatever case the address is written."""
    known = new_person()
    body = _registration(known.email.upper(), password="another password")
    answer = Caller(wallets.address, PREFIX).post("/accounts/registration/", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "EMAIL_TAKEN")


def test_html_in_names_is_kept_as_text(wallets: Program) -> None:
    """Names are data: nothing of them is ever a part of a page or of a document."""
    name = "<script>alert('1')</script>"
    answer = Caller(wallets.address, PREFIX).post(
        "/accounts/registration/", _registration("html@example.com", first_name=name)
    )
    assert answer.json()["first_name"] == name
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_wrong_fields_are_named(wallets: Program) -> None:
    """All at once, with a sentence each."""
    answer = Caller(wallets.address, PREFIX).post("/accounts/registration/", {"email": "no", "password": "1"})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_FIELDS")
    assert set(answer.json()["fields"]) == {"email", "password", "first_name", "last_name"}


def test_tokens_are_refreshed_and_verified(wallets: Program, new_person: NewPerson) -> None:
    """A new token is as good as the old one; what nobody has signed is refused."""
    ada = new_person()
    token = str(ada.session.headers["Authorization"]).removeprefix("JWT ")
    new = ada.post("/accounts/refresh-web-token/", {"token": token}).json()["token"]
    assert ada.post("/accounts/verify-web-token/", {"token": new}).json() == {"token": new}
    stranger = Caller(wallets.address, PREFIX)
    for wrong in (token[:-2], "x", ""):
        answer = stranger.post("/accounts/verify-web-token/", {"token": wrong})
        assert (answer.status_code, answer.json()["code"]) == (401, "NOT_KNOWN")
    assert stranger.get("/payments/balance/").status_code == 401


def test_keys_are_rotated_while_it_runs(wallets: Program, new_person: NewPerson) -> None:
    """A new key signs; tokens of the old one stay good until everybody is logged out."""
    ada = new_person()
    assert wallets.command("rotate-keys").returncode == 0
    assert ada.get("/payments/balance/").status_code == 200
    assert wallets.command("rotate-keys", "--log-everybody-out").returncode == 0
    until = time.monotonic() + PATIENCE_SECONDS
    while ada.get("/payments/balance/").status_code != 401:
        assert time.monotonic() < until
        time.sleep(0.5)
    ada.log_in()
    assert ada.balance == "0.00"


def test_who_guesses_has_to_wait(app: Flask) -> None:
    """After ten wrong passwords within a minute nothing of the address is tried, not even what is right."""
    body = {"email": "ada@example.com", "password": "wrong password"}
    path = f"{PREFIX}/accounts/login-web-token/"
    with app.test_client() as client:
        statuses = [client.post(path, json=body).status_code for _ in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        right = client.post(path, json=body | {"password": SAMPLE_PASSWORD})
        assert (right.status_code, right.headers["Retry-After"]) == (429, "60")
        elsewhere = {"REMOTE_ADDR": "192.0.2.1"}
        other = client.post(path, json=body | {"email": "blaise@example.com"}, environ_overrides=elsewhere)
        assert other.status_code == 401


def test_who_leaves_must_have_an_empty_wallet(new_person: NewPerson) -> None:
    """Then it is closed: nobody can pay it, its token is worth nothing, and what was paid stays paid."""
    ada, bob = new_person("3.00"), new_person("5.00")
    body = {"user_email": ada.email, "sum": "1.00"}
    paid = bob.post("/payments/make-transfer/", body, key="before")
    refused = ada.post("/accounts/close/", {"password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (400, "NOT_EMPTY")
    ada.post("/payments/make-transfer/", {"user_email": bob.email, "sum": "4.00"})
    assert ada.post("/accounts/close/", {"password": "wrong password"}).status_code == 401
    assert ada.post("/accounts/close/", {"password": PASSWORD}).status_code == 204
    assert ada.get("/payments/balance/").status_code == 401
    answer = bob.post("/payments/make-transfer/", body, key="after")
    assert (answer.status_code, answer.json()["code"]) == (400, "UNKNOWN_RECIPIENT")
    again = bob.post("/payments/make-transfer/", body, key="before")
    assert (again.status_code, again.json()) == (201, paid.json())
