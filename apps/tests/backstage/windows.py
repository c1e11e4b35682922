"""Windows of a real browser, Debian's Chromium; whatever it complains about fails the test."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, sync_playwright

_TOP: Final = Path(__file__).parents[3]
PICTURES: Final = _TOP / "docs" / "screenshots"
SCREEN: Final = {"width": 1024, "height": 768}
DESKTOP: Final = {"width": 1280, "height": 800}
"""Wide enough for tables, which are cards on the others."""
PHONE: Final = {"width": 390, "height": 844}
_MOST_BYTES: Final = 150_000
_READABILITY: Final = (_TOP / "tests" / "browser" / "readability.js").read_text()
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_TIMEOUT_MILLISECONDS: Final = 60_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; the test is skipped where there is none."""
    command = next((found for name in _NAMES if (found := shutil.which(name)) is not None), None)
    if command is None:
        pytest.skip("Chromium is missing: as root, apt-get install chromium")
    # Its sandbox refuses to work for root, and in many containers.
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=command, chromium_sandbox=False, timeout=120_000)
        yield running
        running.close()
    asyncio.run(asyncio.sleep(0))  # raises where Playwright left its loop behind, for the tests after it


@contextmanager
def opener(browser: Browser, address: str) -> Iterator["Open"]:
    """Opens windows of a program; at the end they are closed, and must not have complained."""
    windows: list[Window] = []

    def make(**options: Any) -> Window:
        windows.append(Window(browser, address, **options))
        return windows[-1]

    yield make
    for one in windows:
        one.leave()


class Window:
    """One window, with cookies of its own."""

    def __init__(self, browser: Browser, address: str, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(**options)
        self._address = address
        self.complaints: list[str] = []
        self.page = self.context.new_page()
        self.page.set_default_timeout(_TIMEOUT_MILLISECONDS)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, path: str) -> None:
        """Open a page."""
        self.page.goto(self._address + path)

    def fill(self, label: str, text: str) -> None:
        """Write something into a field."""
        self.page.get_by_label(label, exact=True).first.fill(text)

    def write(self, text: str) -> None:
        """Press keys, as soon as a field has the focus."""
        self.page.wait_for_function("document.activeElement instanceof HTMLInputElement")
        self.page.keyboard.type(text)

    def press(self, name: str, then: str, *, instead: str = "") -> None:
        """Touch a button, and wait until something can be read; on a busy machine, maybe something else."""
        self.page.get_by_role("button", name=name).first.click()
        found = self.page.get_by_text(then)
        (found.or_(self.page.get_by_text(instead)) if instead else found).first.wait_for()

    def faults(self) -> list[str]:
        """Texts whose contrast is below WCAG AA, and whether the page is wider than the window."""
        faint: list[str] = self.page.evaluate(_READABILITY)
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return faint + (["wider than the window"] if self.page.evaluate(width) > 0 else [])

    def take(self, name: str) -> None:
        """A picture for docs/."""
        path = PICTURES / f"{name}.png"
        self.page.screenshot(path=path)
        assert path.stat().st_size < _MOST_BYTES

    def leave(self) -> None:
        """Close it; raises AssertionError if the browser complained."""
        self.context.close()
        assert not self.complaints, self.complaints

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} at {message.location.get('url', '')}")


Open: TypeAlias = Callable[..., Window]
