"""Credit and sales with figures, over HTTP against the running program."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from shop.samples import PASSWORD as SAMPLE_PASSWORD
from tests.backstage.running import Caller, Program
from tests.backstage.waiting import wait_until

from .people import PASSWORD, PREFIX, Person

NewSeller: TypeAlias = Callable[..., Person]
_SALES = 40
"""Of each seller in the usual run; `tests/house/test_killed.py` has them all."""


def test_credit_is_granted_once_whoever_decides_how_often(new_seller: NewSeller, admin: Person) -> None:
    """Eight administrators at once approve: it is issued once; rejecting comes too late."""
    seller = new_seller()
    asked = seller.ask("100.00")
    assert (asked.status_code, asked.json()["status"]) == (201, "pending")
    number = asked.json()["id"]
    with ThreadPoolExecutor(8) as pool:
        answers = [one.result() for one in [pool.submit(admin.decide, number, "approve") for _ in range(8)]]
    assert {one.status_code for one in answers} <= {200, 202}
    wait_until(lambda: seller.balance == "100.00", "the credit")
    late = admin.decide(number, "reject")
    assert (late.status_code, late.json()["code"]) == (409, "ALREADY_DECIDED")
    assert seller.get(f"/credit-requests/{number}").json()["is_issued"] is True


def test_of_approval_and_rejection_one_holds(new_seller: NewSeller, admin: Person) -> None:
    """Both at once, often: what was answered first holds, and money is issued only for approval."""
    seller, granted = new_seller(), Decimal(0)
    for _ in range(5):
        number = seller.ask("1.00").json()["id"]
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(admin.decide, number, one) for one in ("approve", "reject")]
            statuses = sorted(one.result().status_code for one in both)
        assert statuses in ([200, 409], [202, 409])
        granted += seller.get(f"/credit-requests/{number}").json()["status"] == "approved"
    wait_until(lambda: seller.balance == f"{granted}.00", "the credit that was granted")


def test_a_rejected_request_gives_nothing(new_seller: NewSeller, admin: Person) -> None:
    """It stays rejected, and no sale is possible."""
    seller = new_seller()
    number = seller.ask("5").json()["id"]
    assert admin.decide(number, "reject").json()["status"] == "rejected"
    assert seller.balance == "0.00"
    sold = seller.charge("5")
    assert sold.status_code == 202
    where = f"/charges/{sold.json()['id']}"
    wait_until(lambda: seller.get(where).json()["status"] != "pending", "an outcome")
    assert seller.get(where).json()["code"] == "INSUFFICIENT_FUNDS"


def test_a_sale_is_completed_and_logged(new_seller: NewSeller) -> None:
    """The log has a row for the credit and one for the sale, with the balance after each, and of its days."""
    seller = new_seller("10.00")
    sold = seller.charge("3.50", "+15550123")
    assert sold.status_code == 202
    assert sold.headers["Location"].endswith(sold.json()["id"])
    wait_until(lambda: seller.balance == "6.50", "the sale")
    assert seller.get(f"/charges/{sold.json()['id']}").json()["status"] == "completed"
    rows = seller.get("/transactions/").json()
    assert [(row["kind"], row["amount"], row["balance"], row["phone_number"]) for row in rows] == [
        ("credit", "10.00", "10.00", None),
        ("sale", "-3.50", "6.50", "+15550123"),
    ]
    today, after = datetime.now(UTC).date(), rows[0]["id"]
    assert (
        seller.get("/transactions/", start_date=today - timedelta(1), end_date=today + timedelta(1)).json()
        == rows
    )
    assert seller.get("/transactions/", end_date=today - timedelta(2)).json() == []
    assert seller.get("/transactions/", after=after).json() == rows[1:]
    assert seller.get("/transactions/", start_date=today, end_date=today - timedelta(1)).status_code == 422


def test_the_same_key_sells_once(new_seller: NewSeller) -> None:
    """Sixteen times the same request: one sale; other terms under the key are a conflict."""
    seller, key = new_seller("10.00"), str(uuid4())
    with ThreadPoolExecutor(16) as pool:
        answers = [one.result() for one in [pool.submit(seller.charge, "1", key=key) for _ in range(16)]]
    assert {one.status_code for one in answers} == {202}
    assert len({one.json()["id"] for one in answers}) == 1
    wait_until(lambda: seller.balance == "9.00", "the sale")
    assert seller.charge("2", key=key).json()["code"] == "KEY_CONFLICT"
    assert seller.charge("1", "+15550199", key=key).status_code == 409
    assert seller.balance == "9.00"


@pytest.mark.parametrize("amount", ["-1", 0, "1.234", 2.5, "10000000.00", None, [], "１"])
def test_what_is_no_amount_is_refused(new_seller: NewSeller, amount: Any) -> None:
    """For sales and for credit."""
    seller = new_seller()
    assert seller.charge(amount).status_code == 422
    assert seller.ask(amount).status_code == 422


@pytest.mark.parametrize("number", ["", "12", "1" * 16, "+1 555", "abc", 15550100, "١٢٣٤"])
def test_what_is_no_phone_number_is_refused(new_seller: NewSeller, number: Any) -> None:
    """Only digits, and maybe a plus."""
    assert new_seller().charge("1", number).status_code == 422


def test_what_is_somebody_elses_is_not_shown(new_seller: NewSeller, shop: Program, admin: Person) -> None:
    """Sales and requests are their seller's and the administrators'; decisions are not for sellers."""
    one, two = new_seller("2.00"), new_seller()
    sold, asked = one.charge("1").json()["id"], one.ask("1").json()["id"]
    for path in (f"/charges/{sold}", f"/credit-requests/{asked}"):
        assert two.get(path).json()["code"] == "NOT_YOURS"
        assert admin.get(path).status_code == 200
    assert one.decide(asked, "approve").json()["code"] == "NOT_ALLOWED"
    assert admin.charge("1").json()["code"] == "NOT_ALLOWED"
    stranger = Caller(shop.address, PREFIX)
    for token in ("", "Token", "Token x", "JWT x", "Token " + "x" * 5000):
        stranger.session.headers["Authorization"] = token
        assert stranger.get("/balance/").status_code == 401


def test_who_guesses_passwords_has_to_wait(shop: Program, new_seller: NewSeller) -> None:
    """From there, and for this name; also who has the right one."""
    one = new_seller()
    guesser = Caller(shop.address, PREFIX).go_elsewhere()
    body = {"username": one.username, "password": "a wrong password"}
    statuses = [guesser.post("/token/", body).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert guesser.post("/token/", body | {"password": PASSWORD}).status_code == 429


def test_names_are_unique_and_a_retried_registration_is_the_same(
    shop: Program, new_seller: NewSeller
) -> None:
    """The same password: the same seller; another one: the name is taken."""
    one = new_seller()
    body = {"username": one.username, "password": "a long password", "name": "A Kiosk"}
    assert one.post("/create/", body).status_code == 201
    taken = one.post("/create/", body | {"password": "another password"})
    assert (taken.status_code, taken.json()["code"]) == (409, "USERNAME_TAKEN")


def test_a_seller_leaves_when_the_credit_is_used_up(new_seller: NewSeller, admin: Person) -> None:
    """With credit left it is refused; afterwards the token is nobody's."""
    one = new_seller("1.00")
    where = f"{admin._base}/sellers/{one.username}"
    assert admin.session.delete(where, timeout=60).json()["code"] == "NOT_EMPTY"
    one.charge("1")
    wait_until(lambda: one.balance == "0.00", "the sale")
    assert admin.session.delete(where, timeout=60).status_code == 204
    assert one.get("/balance/").status_code == 401


def test_many_sales_with_retries_add_up(new_seller: NewSeller, shop: Program) -> None:
    """Two sellers, each sale asked for twice at once: each counts once, and the log equals the credit."""
    sellers = [new_seller("100.00"), new_seller("150.00")]
    keys = [(seller, str(uuid4())) for seller in sellers for _ in range(_SALES)]
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(seller.charge, "0.50", key=key) for seller, key in keys for _ in range(2)]
        assert {one.result().status_code for one in asked} == {202}
    wait_until(lambda: [one.balance for one in sellers] == ["80.00", "130.00"], "all sales")
    for one in sellers:
        rows = one.get("/transactions/").json()
        assert len(rows) == _SALES + 1
        assert sum(Decimal(row["amount"]) for row in rows) == Decimal(one.balance)
        assert rows[-1]["balance"] == one.balance


def test_verify_is_clean(shop: Program, admin: Person, new_seller: NewSeller) -> None:
    """On demand over HTTP, by command, and in numbers for monitoring."""
    new_seller("1.00")
    seen = admin.get("/verify").json()
    assert (seen["is_clean"], seen["differences"], seen["details"]) == (True, 0, [])
    assert "shop_verify_differences 0.0" in Caller(shop.address).get("/metrics").text
    shop.verify()


def test_the_swagger_page_is_there(shop: Program) -> None:
    """Where the documentation says, with a document that names every path."""
    anybody = Caller(shop.address)
    assert "swagger-ui" in anybody.get("/swagger/").text
    paths = anybody.get("/api/openapi.json").json()["paths"]
    assert {"/api/create/", "/api/token/", "/api/charge/", "/api/transactions/", "/api/verify"} <= set(paths)


def test_an_administrator_is_made_by_command(shop: Program) -> None:
    """With a password of one's own; a short one is refused."""
    made = shop.command("set-password", "boss", "--admin", "--password", "a boss's password")
    assert made.returncode == 0, made.stderr
    boss = Person(shop, "boss", "a boss's password")
    boss.log_in()
    assert boss.get("/credit-requests/", status="pending").status_code == 200
    assert shop.command("set-password", "boss", "--password", "short").returncode == 2
    assert shop.command("set-password", "nobody", "--password", SAMPLE_PASSWORD).returncode == 1
