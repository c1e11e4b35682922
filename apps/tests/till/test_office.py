"""The administration of the till: people, cards, products, lines, terminals and passwords."""

import re
from collections.abc import Callable
from typing import TypeAlias

from tests.backstage.running import Program

from .people import PASSWORD, Administration, Browser, Person, until

NewPerson: TypeAlias = Callable[..., Person]
NewProduct: TypeAlias = Callable[..., int]


def test_administration_prices_leave_a_trace(office: Administration, new_product: NewProduct) -> None:
    """Both prices are on the product's page; a barcode and a name are one product's only."""
    bar = new_product("1.50", 3, "barcode of the trace")
    page = f"/administration/products/{bar}"
    values = {"name": f"Traced {bar}", "category": "Test", "price": "1.75", "barcode": "barcode of the trace"}
    assert office.post(page, on=page, **values).status_code == 200
    text = office.get(page).text
    assert '<dd class="amount">1.75</dd>' in text
    assert '<dd class="amount">1.50</dd>' in text
    same = office.post(
        "/administration/products",
        name="Other",
        category="Test",
        price="1",
        stock=1,
        barcode=values["barcode"],
    )
    assert (same.status_code, "BARCODE_TAKEN" in same.text) == (409, True)
    same = office.post(
        "/administration/products",
        name=values["name"].upper(),
        category="Test",
        price="1",
        stock=1,
        barcode="",
    )
    assert (same.status_code, "NAME_TAKEN" in same.text) == (409, True)


def test_administration_lines_leave_a_trace(office: Administration, new_person: NewPerson) -> None:
    """Every change stays on the person's page, also one that was refused."""
    ada = new_person("", "5.00")
    office.set_line(ada.id, "2.00")
    text = office.get(f"/administration/people/{ada.id}").text
    assert text.index("line 5.00 &gt; 2.00") < text.index("line 0.00 &gt; 5.00")


def test_administration_a_person_is_removed_with_the_account(
    till: Program, office: Administration, new_person: NewPerson
) -> None:
    """Not with money or a line; then name and password are forgotten, and the name is free."""
    ada = new_person("2.00", "1.00")
    page = f"/administration/people/{ada.id}"
    assert office.post(f"{page}/remove", on=page).status_code == 409
    until(lambda: office.set_line(ada.id, "0").status_code == 200, "the line")
    assert office.post(f"{page}/remove", on=page).status_code == 409
    form = office.form(page, f"{page}/payout")
    more = office.session.post(f"{till.address}{page}/payout", data=form | {"amount": "2.01"}, timeout=60)
    assert more.status_code == 422
    form = office.form(page, f"{page}/payout")
    for _ in range(2):
        paid = office.insist(f"{page}/payout", form | {"amount": "2.00"})
        assert "Paid out: 2.00." in paid.text
    assert office.post(f"{page}/remove", on=page).url.endswith("/administration/people")
    assert (ada.get("/me").status_code, office.get(page).status_code) == (401, 404)
    assert ada.name not in office.get("/administration/people").text
    again = Person(till, ada.name, office.admit(ada.name)).log_in()
    assert again.me["id"] != ada.id


def test_administration_stock_is_delivered_and_counted_and_a_product_goes(
    till: Program, office: Administration, new_person: NewPerson, new_product: NewProduct
) -> None:
    """Each change of the stock stays on the page; what is not sold any more cannot be bought."""
    ada, bar = new_person("5.00"), new_product("1.50", 3)
    page = f"/administration/products/{bar}"
    for pieces in ("24", "-2"):
        assert office.post(f"{page}/delivery", on=page, pieces=pieces).status_code == 200
    assert (office.stock(bar), ada.get("/products").json()[-1]["category"]) == (25, "Test")
    text = office.get(page).text
    assert all(f">{pieces}<" in text for pieces in ("3", "24", "-2")), text
    assert office.post(f"{page}/remove", on=page).url.endswith("/administration/products")
    gone = ada.buy(bar, "1.50")
    assert (gone.status_code, gone.json()["code"]) == (422, "UNKNOWN_PRODUCT")
    assert bar not in [one["id"] for one in ada.get("/products").json()]


def test_administration_a_card_is_taken_away_and_a_terminal_is_none_any_more(
    office: Administration, terminal: Browser, new_person: NewPerson
) -> None:
    """Neither lets anybody in from then on."""
    ada = new_person()
    page, code = f"/administration/people/{ada.id}", f"lost card {ada.id}"
    assert office.post("/administration/cards", on=page, code=code, person=ada.id).status_code == 200
    assert f"<strong>{ada.name}</strong>" in terminal.post("/scan", on="/enter", code=code).text
    terminal.post("/logout", on="/")
    assert office.post(f"{page}/cards/remove", on=page, code=code).status_code == 200
    assert "Nobody has this card yet" in terminal.post("/scan", on="/enter", code=code).text
    terminals = "/administration/terminals"
    number = max(int(one) for one in re.findall(rf"{terminals}/(\d+)/remove", office.get(terminals).text))
    assert office.post(f"{terminals}/{number}/remove", on=terminals).status_code == 200
    assert "Password" in terminal.get("/enter").text


def test_administration_its_password_is_changed_on_a_page_and_by_command(
    till: Program, office: Administration
) -> None:
    """Whoever used the old one is logged out; a short one, or one without the old one, is refused."""
    page = "/administration/password"
    for old, new, status in (("wrong", "a long password", 401), (PASSWORD, "short", 422)):
        assert office.post(page, old=old, password=new).status_code == status
    other = Browser(till)
    other.post("/administration", password=PASSWORD)
    assert office.post(page, old=PASSWORD, password="a long password").status_code == 200
    assert other.get("/administration/people").url.endswith("/administration")
    assert till.command("set-password", "--password", "short").returncode == 2
    assert till.command("set-password", "--password", PASSWORD).returncode == 0
    assert office.get("/administration/people").url.endswith("/administration")
    office.log_in()
