"""Tap in a real browser: halves that meet while one looks, at every width."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from playwright.sync_api import Browser as Chromium

from tests.backstage.running import Program
from tests.backstage.windows import DESKTOP, PHONE, SCREEN, Open, Window, opener

from .people import Holder, new_tap

pytestmark = [pytest.mark.web, pytest.mark.timeout(600)]

NewHolder: TypeAlias = Callable[..., Holder]
KEY = "The key of your phone, or the operator's"


@pytest.fixture
def window(tap: Program, browser_running: Chromium) -> Iterator[Open]:
    """Opens a window."""
    with opener(browser_running, tap.address) as found:
        yield found


def row_of(one: Window, key: str, state: str) -> str:
    """The row of a tap, when it is so; the page is not loaded again for it."""
    row = one.page.locator("tr", has_text=f"{key[:6]}…").filter(has_text=state)
    row.wait_for()
    return row.inner_text()


def test_halves_meet_while_one_looks(tap: Program, bank: Holder, new_holder: NewHolder, window: Open) -> None:
    """By the keyboard alone: log in, see a half that waits and its end, pause; a program that is killed."""
    payer, payee = new_holder(), new_holder()
    one = window(viewport=SCREEN)
    one.go("/")
    one.write(bank.key)
    one.page.keyboard.press("Enter")
    one.page.get_by_role("heading", name="Taps").wait_for()
    one.page.evaluate("window.isTheSame = true")
    done, wrong, hidden, late = (new_tap() for _ in range(4))
    payer.send(done, "1.20")
    assert "has not come" in row_of(one, done, payer.user_id)
    payee.receive(done, payer.user_id, "1.20")
    assert payee.user_id in row_of(one, done, "done")
    payee.receive(wrong, payer.user_id, "2.00")
    payer.send(wrong, "1.00")
    assert "300 The phones name different amounts." in row_of(one, wrong, "failed")
    pause = one.page.get_by_role("button", name="Pause")
    pause.focus()
    one.page.keyboard.press("Enter")
    one.page.get_by_text("Paused: what is shown does not change.").wait_for()
    payer.send(hidden, "1.00")
    assert one.page.get_by_text(f"{hidden[:6]}…").count() == 0
    one.page.keyboard.press("Enter")
    row_of(one, hidden, payer.user_id)
    tap.kill()
    one.page.get_by_text("Nobody answers at this moment; what is shown may be old.").wait_for()
    row_of(one, done, "done")
    tap.start()
    one.page.get_by_text("Nobody answers").wait_for(state="hidden")
    payer.send(late, "1.00")
    row_of(one, late, payer.user_id)
    assert one.page.evaluate("window.isTheSame")
    assert all("Failed to load resource" in complaint for complaint in one.complaints)
    one.complaints.clear()
    one.press("Log out", "The key of your phone")


def test_every_page_can_be_read_and_fits(
    tap: Program, bank: Holder, new_holder: NewHolder, window: Open
) -> None:
    """On a phone in the dark, on screens in the light: contrasts of WCAG AA, nothing too wide."""
    holder = new_holder()
    assert tap.command("phones", "--amount", "1.20").returncode == 0
    assert tap.command("phones", "--amount", "9999.00").returncode == 0
    lone = new_tap()
    holder.send(lone, "1.00", os_sender="A phone with a rather long name of itself")
    for options in (
        {"viewport": PHONE, "color_scheme": "dark"},
        {"viewport": SCREEN, "color_scheme": "light"},
        {"viewport": DESKTOP, "color_scheme": "light"},
    ):
        for key, paths in ((holder.key, ("/",)), (bank.key, ("/", "/verify"))):
            one = window(**options)
            one.go("/login")
            assert one.faults() == []
            one.fill(KEY, key)
            one.press("Log in", "Two phones touch each other")
            for path in paths:
                one.go(path)
                assert one.faults() == [], (path, options)
