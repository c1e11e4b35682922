"""The administration of the shop in a real browser: a whole story by the keyboard, at every width."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from playwright.sync_api import Browser as Chromium

from shop.samples import ADMIN
from shop.samples import PASSWORD as SAMPLE_PASSWORD
from tests.backstage.running import Program
from tests.backstage.waiting import wait_until
from tests.backstage.windows import DESKTOP, PHONE, SCREEN, Open, Window, opener

from .people import Person

pytestmark = [pytest.mark.web, pytest.mark.timeout(600)]

NewSeller: TypeAlias = Callable[..., Person]


@pytest.fixture
def window(shop: Program, browser_running: Chromium) -> Iterator[Open]:
    """Opens a window."""
    with opener(browser_running, shop.address) as found:
        yield found


def log_in(one: Window) -> None:
    """By the keyboard: the first field has the focus."""
    one.go("/")
    one.write(ADMIN)
    one.page.keyboard.press("Tab")
    one.write(SAMPLE_PASSWORD)
    one.page.keyboard.press("Enter")
    one.page.get_by_role("heading", name="Requests for credit").wait_for()


def touch(one: Window, button: str, then: str) -> None:
    """A button, by the keyboard."""
    one.page.get_by_role("button", name=button).focus()
    one.page.keyboard.press("Enter")
    one.page.get_by_role("status").get_by_text(then).wait_for()


def test_a_morning_of_an_administrator(new_seller: NewSeller, admin: Person, window: Open) -> None:
    """Approve, reject, look at a seller, remove one who has nothing left, verify, and leave."""
    seller = new_seller()
    for amount in ("40.00", "4000.00"):
        assert seller.ask(amount).status_code == 201
    one = window(viewport=SCREEN)
    log_in(one)
    touch(one, f"Approve 40.00 for {seller.username}", f"40.00 for {seller.username}")
    touch(one, f"Reject 4,000.00 for {seller.username}", f"Rejected: 4,000.00 for {seller.username}.")
    wait_until(lambda: seller.balance == "40.00", "the credit")
    assert seller.charge("40.00", "+15550142").status_code == 202
    wait_until(lambda: seller.balance == "0.00", "the sale")
    one.page.get_by_role("link", name=seller.username).first.click()
    one.page.get_by_role("heading", name=seller.username).wait_for()
    assert one.page.get_by_role("row", name="+15550142").count() == 1
    touch(one, f"Remove {seller.username}", f"{seller.username} sells no more.")
    assert seller.get("/balance/").status_code == 401
    one.page.get_by_role("link", name="Verification").click()
    one.page.get_by_text("nothing differs").wait_for()
    one.press("Log out", "Name of an administrator")


def test_every_page_can_be_read_and_fits(new_seller: NewSeller, admin: Person, window: Open) -> None:
    """On a phone in the dark, on screens in the light: contrasts of WCAG AA, nothing too wide."""
    seller = new_seller("30.00")
    seller.charge("10.00")
    for decision in ("reject", ""):
        number = seller.ask("5.00").json()["id"]
        if decision:
            admin.decide(number, decision)
    paths = ("requests", "sellers", f"sellers/{seller.username}", "verify")
    for options in (
        {"viewport": PHONE, "color_scheme": "dark"},
        {"viewport": SCREEN, "color_scheme": "light"},
        {"viewport": DESKTOP, "color_scheme": "light"},
    ):
        one = window(**options)
        one.go("/administration/login")
        assert one.faults() == []
        log_in(one)
        for path in paths:
            one.go(f"/administration/{path}")
            assert one.faults() == [], (path, options)
