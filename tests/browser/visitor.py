"""Somebody in front of a browser: looks at pages, and notices what the browser complains about."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

from playwright.sync_api import BrowserContext, ConsoleMessage

_READABILITY: Final = (Path(__file__).parent / "readability.js").read_text()


class Visitor:
    """A window of a browser."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self._context = context
        self._address = address
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, path: str = "") -> None:
        """Open a page of the console."""
        self.page.goto(urljoin(self._address, path))

    def log_in(self, token: str) -> None:
        """Log in as people do."""
        self.go("login")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("button", name="Log out").wait_for()

    def click(self, name: str, role: Any = "link") -> None:
        """Click on the first thing of this name, and wait for the page that it leads to."""
        self.page.get_by_role(role, name=name, exact=True).first.click()
        self.page.wait_for_load_state()

    @property
    def text(self) -> str:
        """What can be read on the page, when all of it has come."""
        self.page.wait_for_load_state()
        return self.page.locator("main").inner_text()

    @property
    def heading(self) -> str:
        """The heading of the page."""
        return self.page.locator("h1").inner_text()

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width

    def faint_texts(self) -> list[str]:
        """Texts whose contrast is below what WCAG AA asks for."""
        found: list[str] = self.page.evaluate(_READABILITY)
        return found

    def leave(self) -> None:
        """Close the window; raises AssertionError if the browser complained."""
        self._context.close()
        assert self.complaints == []

    def _listen(self, message: ConsoleMessage) -> None:
        # Warnings are about the future of browsers.
        if message.type == "error":
            self.complaints.append(f"{message.type}: {message.text}")
