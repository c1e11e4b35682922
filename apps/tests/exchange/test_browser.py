"""The exchange in a real browser: the story of a trade and of one that came to nothing, at every width."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser as Chromium

from tests.backstage.running import Program
from tests.backstage.traders import Trader
from tests.backstage.waiting import wait_until
from tests.backstage.windows import DESKTOP, PHONE, SCREEN, Open, Window, opener

from .conftest import NewTrader

pytestmark = [pytest.mark.web, pytest.mark.timeout(600)]


@pytest.fixture
def window(exchange: Program, browser_running: Chromium) -> Iterator[Open]:
    """Opens a window."""
    with opener(browser_running, exchange.address) as found:
        yield found


def log_in(one: Window, trader: Trader) -> None:
    """By the keyboard: the only field has the focus."""
    one.go("/")
    one.write(trader.key)
    one.page.keyboard.press("Enter")
    one.page.get_by_role("heading", name="Trades").wait_for()


def test_a_day_at_the_exchange(bank: Trader, new_trader: NewTrader, window: Open) -> None:
    """An offer in the book, a trade by escrow whose legs are all paid, and one that came to nothing."""
    rich, poor = new_trader(ELM="3.00"), new_trader()
    stands = rich.made("ELM", "2.00", "YEW", "2", mode="escrow")
    one = window(viewport=SCREEN)
    log_in(one, rich)
    one.page.get_by_text("There are no trades yet.").wait_for()
    one.page.get_by_role("link", name="Book").focus()
    one.page.keyboard.press("Enter")
    one.page.get_by_role("row", name="yours").wait_for()
    failed = poor.trade(poor.made("YEW", "4.00", "ELM", "0.5"))
    assert failed["status"] == "failed"
    comes = new_trader(YEW="4.00")
    done = comes.trade(comes.made("YEW", "4.00", "ELM", "0.5"))
    rich.becomes(stands, "filled")
    one.go("/")
    for trade, said in (
        (failed, "It came to nothing, and everybody has what they had."),
        (done, "Out of escrow"),
    ):
        one.page.get_by_role("link", name=trade["id"][:8]).click()
        one.page.get_by_text(said).first.wait_for()
        one.page.get_by_role("link", name="Trades").first.click()
        one.page.get_by_role("heading", name="Trades").wait_for()
    one.go(f"/trades/{done['id']}")
    assert one.page.get_by_text("in escrow", exact=True).count() == 2
    assert one.page.get_by_text("paid out", exact=True).count() == 2
    wait_until(lambda: (rich.balance("YEW"), comes.balance("ELM")) == ("4.00", "2.00"), "both balances")
    one.press("Log out", "Your API key")
    log_in(one, bank)
    one.page.get_by_role("link", name="Verification").click()
    one.page.get_by_text("nothing differs").wait_for()


def test_every_page_can_be_read_and_fits(bank: Trader, new_trader: NewTrader, window: Open) -> None:
    """On a phone in the dark, on screens in the light: contrasts of WCAG AA, nothing too wide."""
    one_, two = new_trader(OAK="2.00"), new_trader(ASH="2.00")
    stands = one_.made("OAK", "2.00", "ASH", "1", mode="escrow")
    done = two.trade(two.made("ASH", "1.00", "OAK", "1"))
    poor = new_trader()
    failed = poor.trade(poor.made("ASH", "1.00", "OAK", "1"))
    assert (done["status"], failed["status"]) == ("done", "failed")
    for options in (
        {"viewport": PHONE, "color_scheme": "dark"},
        {"viewport": SCREEN, "color_scheme": "light"},
        {"viewport": DESKTOP, "color_scheme": "light"},
    ):
        one = window(**options)
        one.go("/login")
        assert one.faults() == []
        log_in(one, bank)
        for path in ("/", "/book", "/verify", f"/trades/{done['id']}", f"/trades/{failed['id']}"):
            one.go(path)
            assert one.faults() == [], (path, options)
    one_.cancel(stands)
