"""The till in a real browser: a whole story with a finger, at every width."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser as Chromium

from tests.backstage.running import Program
from tests.backstage.windows import PHONE, SCREEN, Open, Window, opener

from .people import PASSWORD, Administration

pytestmark = [pytest.mark.web, pytest.mark.timeout(600)]

PAGES = ("/", "/recharge", "/transfer", "/history", "/month", "/me")
OFFICE = (
    "people",
    "products",
    "cards",
    "terminals",
    "verify",
    "password",
)


@pytest.fixture
def window(till: Program, office: Administration, browser_running: Chromium) -> Iterator[Open]:
    """Opens a window."""
    with opener(browser_running, till.address) as found:
        yield found


def do(one: Window, button: str, then: str) -> None:
    """Touch what moves money.  On a busy machine it is under way for a while, which the page says."""
    one.press(button, then, instead="is stored, and will happen once")
    while one.page.get_by_text("is stored, and will happen once").count():
        one.page.wait_for_timeout(300)
        one.page.reload()
    if one.page.get_by_text(then).count() == 0:
        one.go("/")


def make_terminal(one: Window) -> None:
    """The administration makes this browser a terminal, and leaves."""
    one.go("/administration")
    one.fill("Password", PASSWORD)
    one.press("Log in", "The till owes to all")
    one.go("/administration/terminals")
    one.fill("Name, like “Kitchen”", "Kitchen")
    one.press("Make it one", "This browser is the terminal")
    one.press("Log out", "Who are you?")


def test_a_day_at_the_terminal(window: Open) -> None:
    """Name, coffee, undo, card, juice by its barcode, recharge, transfer, and nobody stays logged in."""
    one = window(viewport=SCREEN, has_touch=True)
    make_terminal(one)
    one.page.get_by_role("button", name="Blaise").tap()
    do(one, "Coffee", "Coffee for 0.60: enjoy it.")
    do(one, "Undo: Coffee, 0.60", "Coffee: undone, 0.60 is back.")
    one.press("Log out", "Who are you?")
    # A reader types, wherever the focus is.
    one.page.locator("h1").click()
    one.page.keyboard.type("4006381333931")
    one.page.keyboard.press("Enter")
    one.page.get_by_role("heading", name="Hot drinks").wait_for()
    one.page.keyboard.type("4000417025005")
    one.page.keyboard.press("Enter")
    one.page.wait_for_url("**/products/*")
    do(one, "Apple juice", "Apple juice for 1.10: enjoy it.")
    one.go("/recharge")
    do(one, "5.00", "Recharged: 5.00.")
    one.go("/transfer")
    one.fill("To: a name, a card, or an id", "Emmy")
    one.fill("Amount", "2,50")
    one.fill("What for", "cake")
    do(one, "Transfer", "Emmy has 2.50 from you.")
    one.go("/history")
    assert one.page.get_by_text("to Emmy: cake").count() == 1
    # Nobody touches the screen any more.
    one.page.get_by_role("heading", name="Who are you?").wait_for()


def test_every_page_can_be_read_and_fits(window: Open) -> None:
    """On a phone in the dark, on a screen in the light: contrasts of WCAG AA, nothing too wide."""
    for options in (
        {"viewport": PHONE, "color_scheme": "dark"},
        {"viewport": SCREEN, "color_scheme": "light"},
    ):
        one = window(**options)
        one.go("/enter")
        assert one.faults() == []
        one.fill("Name", "Emmy")
        one.fill("Password", PASSWORD)
        one.press("Log in", "Hot drinks")
        if options["viewport"] is PHONE:
            do(one, "Nuts", "Nuts for 1.50")
        for path in PAGES:
            one.go(path)
            assert one.faults() == [], (path, options)
        one.press("Log out", "Password")
        one.go("/administration")
        one.fill("Password", PASSWORD)
        one.press("Log in", "The till owes to all")
        for path in OFFICE:
            one.go(f"/administration/{path}")
            assert one.faults() == [], (path, options)
        for path, name in (("people", "Emmy"), ("products", "Coffee")):
            one.go(f"/administration/{path}")
            one.page.get_by_role("link", name=name, exact=True).click()
            one.page.get_by_role("heading", name=name, exact=True).wait_for()
            assert one.faults() == [], (path, options)


def test_the_till_is_used_with_the_keyboard_alone(window: Open) -> None:
    """Log in, buy, undo: by Tab and Enter."""
    one = window(viewport=SCREEN)
    one.go("/enter")
    one.write("Emmy")
    one.page.keyboard.press("Tab")
    one.write(PASSWORD)
    one.page.keyboard.press("Enter")
    one.page.get_by_role("heading", name="Hot drinks").wait_for()
    one.page.get_by_role("button", name="Tea").first.focus()
    one.page.keyboard.press("Enter")
    one.page.get_by_role("button", name="Undo: Tea, 0.40").focus()
    one.page.keyboard.press("Enter")
    one.page.get_by_text("undone").first.wait_for()
