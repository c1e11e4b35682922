"""The terminal and the pages, as a browser asks for them."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from tests.backstage.running import Program

from .people import Administration, Browser, Person, until

NewPerson: TypeAlias = Callable[..., Person]
NewProduct: TypeAlias = Callable[..., int]
EVIL = "<script>alert(1)</script>"


def touch(browser: Browser, person: Person) -> None:
    """Touch a name."""
    answer = browser.post("/enter", person=person.id)
    assert answer.status_code == 200, answer.text
    assert f"<strong>{person.name}</strong>" in answer.text


def test_log_in_by_touching_ones_name_at_a_terminal_only(
    terminal: Browser, browser: Browser, new_person: NewPerson
) -> None:
    """A browser without the terminal cookie is asked for a password, and cannot touch."""
    ada = new_person()
    touch(terminal, ada)
    assert "Password" in browser.get("/enter").text
    refused = browser.post("/enter", person=ada.id)
    assert (refused.status_code, "Only a terminal" in refused.text) == (403, True)
    browser.session.cookies.set("till_terminal", "forged")
    assert browser.post("/enter", person=ada.id).status_code == 403


def test_log_in_with_a_visit_of_a_terminal_is_worth_nothing_elsewhere(
    terminal: Browser, browser: Browser, new_person: NewPerson
) -> None:
    """A stolen session cookie without the terminal's own opens nothing."""
    touch(terminal, new_person())
    browser.session.cookies.update(
        {one.name: one.value or "" for one in terminal.session.cookies if one.name != "till_terminal"}
    )
    assert browser.get("/").url.endswith("/enter")


def test_log_in_by_card_and_an_unknown_card_is_remembered_for_a_day(
    till: Program, office: Administration, terminal: Browser, new_person: NewPerson
) -> None:
    """Its owner can be told; the administration gives it, and from then on it opens the till."""
    ada, code = new_person(), "0123456789012"
    answer = terminal.post("/scan", on="/enter", code=code)
    assert "Nobody has this card yet" in answer.text
    old = "9999999999999"
    terminal.post("/scan", on="/enter", code=old)
    till.sql("UPDATE till_unknown_card SET seen_at = seen_at - interval '25 hours' WHERE code = %s", old)
    page = office.get("/administration/cards").text
    assert (code in page, old in page) == (True, False)
    office.post("/administration/cards", person=ada.id, code=code)
    assert code not in office.get("/administration/cards").text
    answer = terminal.post("/scan", on="/enter", code=code)
    assert f"<strong>{ada.name}</strong>" in answer.text
    same = office.post("/administration/cards", person=ada.id, code=code)
    assert (same.status_code, "CARD_TAKEN" in same.text) == (409, True)


def test_a_barcode_leads_to_its_product(
    terminal: Browser, new_person: NewPerson, new_product: NewProduct
) -> None:
    """With one button, which has the price on it; before that somebody must say who it is."""
    bar = new_product("1.20", 5, "4012345678901")
    assert "First say who you are" in terminal.post("/scan", on="/enter", code="4012345678901").text
    touch(terminal, new_person("5.00"))
    answer = terminal.post("/scan", on="/", code="4012345678901")
    assert answer.url.endswith(f"/products/{bar}")
    form = terminal.form(f"/products/{bar}", "/buy")
    terminal.post("/buy", on="/", **form)
    until(lambda: "3.80" in terminal.get("/").text, "the purchase")


def test_the_terminal_logs_out_after_some_seconds_without_a_touch(
    till: Program, terminal: Browser, new_person: NewPerson
) -> None:
    """12 seconds, and the page counts them; the server forgets by itself, also if the browser is dead."""
    ada = new_person()
    touch(terminal, ada)
    assert 'data-logout-seconds="12"' in terminal.get("/").text
    assert terminal.get("/stay").status_code == 204
    till.sql(
        "UPDATE house_visit SET seen_at = now() - interval '15 seconds' WHERE who = %s",
        f"person:{ada.id}:terminal",
    )
    assert terminal.get("/stay").status_code == 401
    assert terminal.get("/").url.endswith("/enter")


def test_a_form_that_comes_too_late_says_that_nothing_happened(
    till: Program, terminal: Browser, new_person: NewPerson, new_product: NewProduct
) -> None:
    """Somebody was logged out while the finger was on its way."""
    ada, bar = new_person("5.00"), new_product("1.00")
    touch(terminal, ada)
    form = terminal.form(f"/products/{bar}", "/buy")
    till.sql("DELETE FROM house_visit WHERE who = %s", f"person:{ada.id}:terminal")
    answer = terminal.session.post(f"{till.address}/buy", data=form, timeout=60)
    assert (answer.status_code, "It did not happen: you have been logged out" in answer.text) == (401, True)
    assert ada.balance == "5.00"


def test_the_next_person_cannot_use_the_form_of_the_one_before(
    till: Program, terminal: Browser, new_person: NewPerson, new_product: NewProduct
) -> None:
    """A page that is still on the screen is of Ada, and Bob's touch on it buys nothing for either."""
    ada, bob, bar = new_person("5.00"), new_person("5.00"), new_product("1.00")
    touch(terminal, ada)
    old = terminal.form(f"/products/{bar}", "/buy")
    terminal.post("/logout", on="/")
    touch(terminal, bob)
    mark = terminal.form(f"/products/{bar}", "/buy")["csrf_token"]
    answer = terminal.session.post(f"{till.address}/buy", data=old | {"csrf_token": mark}, timeout=60)
    assert (answer.status_code, "NOT_YOURS" in answer.text) == (403, True)
    assert (ada.balance, bob.balance) == ("5.00", "5.00")


@pytest.mark.parametrize("path", ["/buy", "/recharge", "/transfer", "/logout", "/administration", "/scan"])
def test_a_form_without_the_mark_is_refused(till: Program, terminal: Browser, path: str) -> None:
    """Another site may have sent it."""
    answer = terminal.session.post(till.address + path, data={"amount": "5.00"}, timeout=60)
    assert (answer.status_code, "FORGED" in answer.text) == (400, True)


def test_html_in_names_and_notes_is_text(
    office: Administration, terminal: Browser, new_person: NewPerson
) -> None:
    """Of people, products, notes and terminals, on each page that shows them."""
    ada = new_person("5.00")
    office.post(f"/administration/people/{ada.id}/name", on=f"/administration/people/{ada.id}", name=EVIL)
    ada.name = EVIL
    sold = office.post(
        "/administration/products", name=EVIL, category=EVIL, price="1", stock="1", barcode=EVIL
    )
    assert sold.status_code == 200
    assert ada.give("Blaise", "1.00", EVIL).status_code == 201
    touched = terminal.post("/enter", person=ada.id)
    pages = [touched.text] + [
        terminal.get(path).text for path in ("/", "/history", "/month", "/transfer", "/me")
    ]
    paths = (
        "/administration/people",
        f"/administration/people/{ada.id}",
        "/administration/products",
        "/administration/cards",
    )
    pages += [office.get(path).text for path in paths]
    terminal.post("/logout", on="/")
    pages.append(terminal.get("/enter").text)
    assert all("<script>alert" not in page for page in pages)
    assert sum("&lt;script&gt;alert" in page for page in pages) >= 8
    office.post(
        f"/administration/people/{ada.id}/name", on=f"/administration/people/{ada.id}", name=f"Mild {ada.id}"
    )


@pytest.mark.parametrize(
    "amount", [1.2, 0, -5, "0", "-1", "1.234", "1e3", "10000000.00", "", None, [], True, "٣"]
)
def test_what_is_no_amount_is_refused(new_person: NewPerson, amount: object, shared: list[Person]) -> None:
    """Floats, negative, zero, three decimals, too much: by a code, in each door."""
    if not shared:
        shared.append(new_person("1.00"))
    ada = shared[0]
    for answer in (ada.recharge(amount), ada.give("Blaise", amount), ada.buy(1, amount)):  # type: ignore[arg-type]
        assert answer.status_code == 422
        assert answer.json()["code"] in ("INVALID_AMOUNT", "INVALID_FIELDS")
    assert ada.balance == "1.00"


@pytest.fixture(scope="module")
def shared() -> list[Person]:
    """One person for many refusals."""
    return []


def test_unknown_products_and_pages_are_said_to_be_unknown(new_person: NewPerson, terminal: Browser) -> None:
    """As a document for programs, and as a page for people."""
    ada = new_person("1.00")
    for number in (0, 999_999, 2**62, 2**70, -1):
        assert ada.buy(number, "1.00").status_code == 422
    touch(terminal, ada)
    for path in (
        "/products/999999",
        "/deeds/00000000-0000-0000-0000-000000000000",
        "/nothing",
        "/month?month=x",
    ):
        answer = terminal.get(path)
        assert 400 <= answer.status_code < 500
        assert '<p class="notice warn" role="alert">' in answer.text


def test_the_administration_is_behind_a_password(browser: Browser) -> None:
    """Every page leads to the entrance, and every form is refused."""
    for path in ("people", "products", "cards", "terminals", "verify", "password"):
        assert browser.get(f"/administration/{path}").url.endswith("/administration")
    refused = browser.post(
        "/administration/products", on="/administration", name="x", category="x", price="1"
    )
    assert (refused.status_code, "NOT_KNOWN" in refused.text) == (401, True)


def test_swagger_and_the_document_are_there(till: Program, browser: Browser) -> None:
    """The shipped Swagger UI shows our own document."""
    assert 'data-document="/api/v1/openapi.json"' in browser.get("/api/").text
    document = browser.get("/api/v1/openapi.json").json()
    assert {"/api/v1/purchases", "/api/v1/deeds/{deed_id}/undo"} <= set(document["paths"])
    assert browser.get("/shipped/swagger-ui/swagger-ui-bundle.js").status_code == 200
