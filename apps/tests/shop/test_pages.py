"""The pages of administrators: requests, sellers, the verification."""

from collections.abc import Callable
from typing import TypeAlias

import psycopg2
import pytest

from shop.program import APPLICATION
from shop.samples import ADMIN
from shop.samples import PASSWORD as SAMPLE_PASSWORD
from shop.watching import WATCH
from tests.backstage.running import Caller, Program
from tests.backstage.visitors import Visitor
from tests.backstage.waiting import wait_until

from .people import PASSWORD, Person

NewSeller: TypeAlias = Callable[..., Person]
REQUESTS = "/administration/requests"


@pytest.fixture
def visitor(shop: Program, admin: Person) -> Visitor:
    """An administrator at the pages."""
    return Visitor(shop).log_in("/administration/login", name=ADMIN, password=SAMPLE_PASSWORD)


def test_a_request_is_decided_on_a_page(visitor: Visitor, new_seller: NewSeller) -> None:
    """Approved, it is issued once; a colleague who rejects it comes too late, and reads so."""
    seller = new_seller()
    number = seller.ask("12.34").json()["id"]
    assert f"Approve 12.34 for {seller.username}" in visitor.get(REQUESTS).text
    decided = visitor.post(f"{REQUESTS}/{number}/approve", on=REQUESTS).text
    assert f"12.34 for {seller.username}" in decided
    assert "Approve 12.34" not in decided
    wait_until(lambda: seller.balance == "12.34", "the credit")
    late = visitor.post(f"{REQUESTS}/{number}/reject", on=REQUESTS).text
    assert "It was approved before." in late
    assert seller.balance == "12.34"


def test_the_page_of_a_seller_has_account_and_log(visitor: Visitor, new_seller: NewSeller) -> None:
    """Sales with their phone numbers; who has credit left cannot be removed, who has none can."""
    seller = new_seller("5.00")
    where = f"/administration/sellers/{seller.username}"
    assert seller.charge("5.00", "+15550177").status_code == 202
    wait_until(lambda: "+15550177" in visitor.get(where).text, "the log")
    assert seller.ask("1.00").status_code == 201
    closed = visitor.post(f"{where}/close", on=where).text
    assert f"{seller.username} sells no more." in closed
    assert seller.get("/balance/").status_code == 401
    rich = new_seller("5.00")
    kept = visitor.post(f"/administration/sellers/{rich.username}/close", on=where.rpartition("/")[0])
    assert "There is credit left." in kept.text
    assert rich.balance == "5.00"
    assert f">{rich.username}</a>" in visitor.get("/administration/sellers?after=seller").text


def test_html_in_the_name_of_a_seller_is_text(shop: Program, visitor: Visitor) -> None:
    """On the pages of administrators; the name that one logs in with has no such signs."""
    name = "<script>alert('1')</script>"
    body = {"username": "html", "password": PASSWORD, "name": name}
    assert Caller(shop.address, "/api").post("/create/", body).status_code == 201
    assert Caller(shop.address, "/api").post("/create/", body | {"username": name}).status_code == 422
    page = visitor.get("/administration/sellers/html").text
    assert ("&lt;script&gt;alert" in page, "<script>alert" in page) == (True, False)


def test_only_administrators_come_in(shop: Program, new_seller: NewSeller) -> None:
    """A seller with the right password does not; the pages lead to the login."""
    seller = new_seller()
    form = {"name": seller.username, "password": PASSWORD}
    assert Visitor(shop).post("/administration/login", **form).status_code == 401
    assert Visitor(shop).get("/").url.endswith("/administration/login?next=/administration/requests")


def test_a_new_password_ends_the_visits_of_the_old_one(shop: Program, admin: Person) -> None:
    """An administrator whose password somebody has learned sets another one, and is alone again."""
    for word in ("a first password", "a second password"):
        made = shop.command("set-password", "clerk", "--admin", "--password", word)
        assert made.returncode == 0, made.stderr
        if word == "a first password":
            visitor = Visitor(shop).log_in("/administration/login", name="clerk", password=word)
    assert "/administration/login" in visitor.get(REQUESTS).url


def test_a_log_that_differs_is_an_alarm(
    shop: Program, visitor: Visitor, admin: Person, new_seller: NewSeller
) -> None:
    """On all pages, and in the numbers for monitoring, until it is mended."""
    assert "nothing differs" in visitor.get("/administration/verify").text
    assert "Alarm:" not in visitor.get(REQUESTS).text
    seller = new_seller("2.00")
    [[forged]] = shop.sql(
        "INSERT INTO shop_log (creditor_id, ledger_date, number, kind, cents, balance, note, at)"
        " SELECT creditor_id, '2020-01-01', 1, 'credit', 1, 1, '', now() FROM shop_seller"
        " WHERE username = %s RETURNING id",
        seller.username,
    )
    try:
        for change in ("DELETE FROM shop_log WHERE id = %s", "UPDATE shop_log SET cents = 2 WHERE id = %s"):
            with pytest.raises(psycopg2.DatabaseError, match="only grows"):
                shop.sql(change, forged)
        assert admin.get("/verify").json()["details"] == [
            {"about": f"the log of seller {seller.username}", "expected": 200, "found": 201}
        ]
        assert "shop_verify_differences 1.0" in Caller(shop.address).get("/metrics").text
        assert "Alarm: 1 of what should be equal differs." in visitor.get(REQUESTS).text
    finally:
        shop.sql("ALTER TABLE shop_log DISABLE TRIGGER shop_log_only_grows")
        shop.sql("DELETE FROM shop_log WHERE id = %s", forged)
        shop.sql("ALTER TABLE shop_log ENABLE TRIGGER shop_log_only_grows")
    assert "nothing differs" in visitor.get("/administration/verify").text
    assert "Alarm:" not in visitor.get(REQUESTS).text


def test_everything_is_verified_each_minute() -> None:
    """By itself: the chore does what the pages do on demand."""
    assert [(one.every_seconds, one.work) for one in APPLICATION.chores] == [(60.0, WATCH.look)]
