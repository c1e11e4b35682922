"""The rows of the till's table of features, over HTTP against the running program."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from tests.backstage.running import Program

from .people import PASSWORD, Administration, Browser, Person, until

NewPerson: TypeAlias = Callable[..., Person]
NewProduct: TypeAlias = Callable[..., int]


def test_buy_stock_falls_by_one_and_the_price_is_paid(
    office: Administration, new_person: NewPerson, new_product: NewProduct
) -> None:
    """Purchase, stock and payment are one thing."""
    ada, bar = new_person("10.00"), new_product("1.50", 10)
    answer = ada.buy(bar, "1.50")
    assert (answer.status_code, answer.json()["status"]) == (201, "done")
    assert (ada.balance, office.stock(bar)) == ("8.50", 9)


def test_buy_a_changed_price_is_409_and_nothing_happens(
    office: Administration, new_person: NewPerson, new_product: NewProduct
) -> None:
    """The shown price travels along; the answer says the new one."""
    ada, bar = new_person("10.00"), new_product("1.50", 10)
    answer = ada.buy(bar, "1.40")
    assert (answer.status_code, answer.json()["code"], answer.json()["price"]) == (
        409,
        "PRICE_CHANGED",
        "1.50",
    )
    assert (ada.balance, office.stock(bar)) == ("10.00", 10)


def test_buy_a_rejection_gives_the_stock_back(
    office: Administration, new_person: NewPerson, new_product: NewProduct
) -> None:
    """Who has no money is told so, and the shelf is as it was."""
    ada, bar = new_person("1.00"), new_product("1.50", 10)
    answer = ada.buy(bar, "1.50")
    assert (answer.status_code, answer.json()["code"]) == (422, "INSUFFICIENT_FUNDS")
    assert "nothing has moved" in answer.json()["detail"]
    assert (ada.balance, office.stock(bar)) == ("1.00", 10)


def test_buy_stock_below_zero_is_allowed_and_flagged(
    office: Administration, new_person: NewPerson, new_product: NewProduct
) -> None:
    """The bar is in the hand already."""
    ada, bar = new_person("10.00"), new_product("1.50", 0)
    assert ada.buy(bar, "1.50").status_code == 201
    assert office.stock(bar) == -1
    assert "below zero" in office.get(f"/administration/products/{bar}").text


def test_recharge_at_most_a_set_sum_a_day_under_any_race(new_person: NewPerson) -> None:
    """100.00 a day: of eight that ask for 30.00 at once, three get it; what is undone does not count."""
    ada = new_person("1.00")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ada.recharge("30.00"), range(8)))
    codes = sorted(one.json().get("code", "done") for one in answers)
    assert codes == ["DAILY_MAXIMUM"] * 5 + ["done"] * 3
    assert ada.balance == "91.00"
    done = next(one for one in answers if one.status_code == 201)
    assert ada.undo(done.json()["id"]).status_code == 200
    assert ada.recharge("39.01").json()["code"] == "DAILY_MAXIMUM"
    assert (ada.recharge("39.00").status_code, ada.balance) == (201, "100.00")


def test_recharge_what_the_till_owes_is_the_sum_above_zero(
    office: Administration, new_person: NewPerson, new_product: NewProduct
) -> None:
    """Σ max(0, principal − line) over all persons: a line is no debt of the till, and a debt pays nobody."""

    def owed() -> int:
        page = office.get("/administration/people").text
        return round(
            100 * float(page.split('owes to all</dt><dd class="amount">')[1].split("<")[0].replace(",", ""))
        )

    before = owed()
    ada, bob = new_person("10.00"), new_person("", "5.00")
    assert bob.buy(new_product("2.00"), "2.00").status_code == 201
    assert (ada.balance, bob.balance, owed() - before) == ("10.00", "-2.00", 1000)


@pytest.mark.parametrize("by", ["name", "id", "card"])
def test_transfer_to_another_person_by_name_card_or_id(
    office: Administration, new_person: NewPerson, by: str
) -> None:
    """Direct, with a note; who gets it is told."""
    ada, bob = new_person("10.00"), new_person()
    code = f"card of {bob.id}"
    office.post("/administration/cards", on=f"/administration/people/{bob.id}", person=bob.id, code=code)
    to = {"name": bob.name.upper(), "id": str(bob.id), "card": code}[by]
    answer = ada.give(to, "2.50", "lunch")
    assert (answer.status_code, answer.json()["other"]) == (201, bob.name)
    assert (ada.balance, bob.balance) == ("7.50", "2.50")
    assert bob.me["notices"] == [f"{ada.name} gave you 2.50: lunch"]


def test_transfer_not_to_oneself_and_not_to_strangers(new_person: NewPerson) -> None:
    """Both are said with a code, and nothing moves."""
    ada = new_person("10.00")
    answers = [ada.give(to, "1.00") for to in (ada.name, str(ada.id), "nobody", "the shop", "99999999999")]
    assert [one.status_code for one in answers] == [422] * 5
    assert [one.json()["code"] for one in answers] == ["SAME_ACCOUNT"] * 2 + ["UNKNOWN_RECIPIENT"] * 3
    assert ada.balance == "10.00"


def test_at_most_once_the_same_token_is_the_same_deed(new_person: NewPerson, new_product: NewProduct) -> None:
    """Sixteen requests at once with one token are one purchase; other terms under it are a conflict."""
    ada, bar, token = new_person("10.00"), new_product("1.50"), ""
    token = ada.token()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ada.buy(bar, "1.50", token), range(16)))
    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["id"] for one in answers}) == 1
    until(lambda: ada.balance == "8.50", "the purchase")
    others = [
        ada.buy(bar, "1.60", token),
        ada.recharge("1.50", token),
        ada.undo(answers[0].json()["id"], token),
    ]
    assert [(one.status_code, one.json()["code"]) for one in others] == [(409, "KEY_CONFLICT")] * 3
    assert ada.balance == "8.50"


def test_at_most_once_a_note_belongs_to_the_terms(new_person: NewPerson) -> None:
    """Who says something else with the same token is told so, and not that it was said."""
    ada, bob = new_person("10.00"), new_person()
    token = ada.token()
    first, again = (ada.give(bob.name, "1.00", "lunch", token) for _ in range(2))
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    other = ada.give(bob.name, "1.00", "dinner", token)
    assert (other.status_code, other.json()["code"]) == (409, "KEY_CONFLICT")
    assert (ada.balance, bob.balance) == ("9.00", "1.00")


def test_debts_a_form_that_is_sent_again_with_another_line_is_a_conflict(
    till: Program, office: Administration, new_person: NewPerson
) -> None:
    """A page that was gone back to: nobody reads that the line is what it is not."""
    ada = new_person()
    page = f"/administration/people/{ada.id}"
    form = office.form(page, f"{page}/line")
    for _ in range(2):
        assert "The line is 5.00 now." in office.insist(f"{page}/line", form | {"line": "5.00"}).text
    other = office.insist(f"{page}/line", form | {"line": "50.00"})
    assert (other.status_code, "KEY_CONFLICT" in other.text) == (409, True)
    assert ada.me["line"] == "5.00"


def test_debts_the_server_keeps_the_line_under_any_race(
    office: Administration, new_person: NewPerson, new_product: NewProduct
) -> None:
    """A line of 5.00: of ten purchases of 1.00 at once, five pass, and not one cent more."""
    ada, bar = new_person("", "5.00"), new_product("1.00", 10)
    assert (ada.balance, ada.me["line"], ada.me["colour"]) == ("0.00", "5.00", "good")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: ada.buy(bar, "1.00"), range(10)))
    until(lambda: ada.balance == "-5.00" and office.stock(bar) == 5, "five purchases, and five back")
    assert {one.status_code for one in answers} == {201, 422}
    assert ada.me["colour"] == "warn"
    assert ada.buy(new_product("0.01"), "0.01").json()["code"] == "INSUFFICIENT_FUNDS"


def test_debts_a_line_is_lowered_exactly_as_far_as_it_is_not_in_use(
    office: Administration, new_person: NewPerson, new_product: NewProduct
) -> None:
    """At −3.00 a line of 10.00 can become 3.00, and not 2.99; after a recharge it can become 0."""
    ada = new_person("", "10.00")
    assert ada.buy(new_product("3.00"), "3.00").status_code == 201
    refused = office.set_line(ada.id, "2.99")
    assert (refused.status_code, "the line is in use" in refused.text) == (422, True)
    assert (ada.balance, ada.me["line"]) == ("-3.00", "10.00")
    assert "The line is 3.00 now." in office.set_line(ada.id, "3.00").text
    assert (ada.balance, ada.me["line"]) == ("-3.00", "3.00")
    assert office.set_line(ada.id, "0").status_code == 422
    assert ada.recharge("3.00").status_code == 201
    assert "The line is 0.00 now." in office.set_line(ada.id, "0").text
    assert (ada.balance, ada.me["line"], ada.me["colour"]) == ("0.00", "0.00", "good")


def test_lists_tell_what_was_bought_most_and_last(new_person: NewPerson, new_product: NewProduct) -> None:
    """The newest first; what was refused or undone is shown as that, and not counted."""
    ada, tea, bun = new_person("20.00"), new_product("0.50"), new_product("1.00")
    for product, price in ((tea, "0.50"), (bun, "1.00"), (tea, "0.50")):
        assert ada.buy(product, price).status_code == 201
    undone = ada.buy(bun, "1.00").json()["id"]
    assert ada.undo(undone).status_code == 200
    assert ada.give("Ada", "1.00").status_code == 201
    lists = ada.get("/deeds").json()
    assert [one["status"] for one in lists["purchases"]] == ["undone", "done", "done", "done"]
    assert [(one["product_id"], one["pieces"]) for one in lists["most_bought"]] == [(tea, 2), (bun, 1)]
    assert [one["amount"] for one in lists["recharges"]] == ["20.00"]
    assert [one["other"] for one in lists["transfers"]] == ["Ada"]


def test_lists_are_as_long_as_they_say(till: Program, new_person: NewPerson, new_product: NewProduct) -> None:
    """The last 100 purchases, 10 recharges, 10 transfers; the 10 that were bought most in 30 days."""
    ada = new_person("9.00")
    bars = [new_product("0.10") for _ in range(11)]
    bought = [ada.buy(bar, "0.10").json()["id"] for bar in [*bars, bars[10], bars[9]]]
    for number in range(1, 12):
        assert ada.recharge(f"0.{number:02}").status_code == 201
        assert ada.give("Ada", f"0.{number:02}").status_code == 201
    # Refused ones, so that nothing has moved.
    till.sql(
        "INSERT INTO till_deed (id, key, kind, holder_id, product_id, what, cents, outcome, at)"
        " SELECT gen_random_uuid(), 'listed ' || %s || n, 'buy', %s, %s, 'listed', 10, 'REFUSED', now()"
        " FROM generate_series(1, 99) AS n",
        *(ada.id, ada.id, bars[0]),
    )
    lists = ada.get("/deeds").json()
    assert [one["what"] for one in lists["purchases"]].count("listed") == 99
    assert (len(lists["purchases"]), lists["purchases"][-1]["id"]) == (100, bought[-1])
    newest = [f"0.{number:02}" for number in range(11, 1, -1)]
    assert [one["amount"] for one in lists["recharges"]] == newest
    assert [one["amount"] for one in lists["transfers"]] == newest
    most = [(one["product_id"], one["pieces"]) for one in lists["most_bought"]]
    assert (len(most), set(most[:2])) == (10, {(bars[10], 2), (bars[9], 2)})
    till.sql("UPDATE till_deed SET at = at - interval '31 days' WHERE id = %s", bought[-2])
    most = [(one["product_id"], one["pieces"]) for one in ada.get("/deeds").json()["most_bought"]]
    assert (most[0], (bars[10], 2) in most) == ((bars[9], 2), False)


def test_statement_of_a_month_is_the_ledger_without_the_line(
    till: Program, new_person: NewPerson, new_product: NewProduct
) -> None:
    """Purchases, recharges, transfers, sum; "please settle" below zero; as a text as well."""
    ada = new_person("", "5.00")
    assert ada.recharge("4.00").status_code == 201
    assert ada.buy(new_product("6.50"), "6.50").status_code == 201
    assert ada.give("Blaise", "1.00", "for <you>").status_code == 201
    now = datetime.now(UTC)
    answer = ada.get(f"/statements/{now:%Y-%m}")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = [line.split() for line in answer.text.splitlines() if line]
    sums = {line[0]: line[-1] for line in lines if len(line) == 2}
    assert sums == {
        "Before": "0.00",
        "Recharge": "4.00",
        "Purchase": "−6.50",
        "Transfer": "−1.00",
        "Balance": "−3.50",
    }
    assert "Please settle: put 3.50 into the box, and recharge." in answer.text
    assert "line" not in answer.text
    page = Browser(till)
    page.post("/login", on="/enter", name=ada.name, password=PASSWORD)
    assert "Please settle: put 3.50 into the box, and recharge." in page.get("/month").text
    # What moved in a month before is only the balance with which this one began.
    till.sql("UPDATE till_entry SET at = at - interval '40 days' WHERE holder_id = %s AND cents > 0", ada.id)
    later = ada.get(f"/statements/{now:%Y-%m}").text
    assert [line.split()[-1] for line in later.splitlines() if line.startswith(("Before", "Recharge"))] == [
        "4.00"
    ]
    assert [ada.get(f"/statements/{bad}").status_code for bad in ("2031-13", "1999-01", "9999-12")] == [
        404
    ] * 3


def test_verify_finds_no_difference(till: Program, office: Administration, new_person: NewPerson) -> None:
    """Own tables = ledgers = server, as a command beside the running program and as a page."""
    new_person("5.00", "5.00")
    till.verify()
    assert "nothing differs" in office.get("/administration/verify").text
