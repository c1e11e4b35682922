"""People with a browser, as far as HTTP tells: they keep cookies, and send forms with their mark."""

import re
from html import unescape
from typing import Final, Self

import requests

from .running import Program

_MARK: Final = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """Somebody who looks at the pages of a program."""

    def __init__(self, program: Program) -> None:
        self._address = program.address
        self.session = requests.Session()
        self.session.headers["Accept"] = "text/html"

    def get(self, path: str) -> requests.Response:
        """A page, and where it has led."""
        return self.session.get(self._address + path, timeout=60)

    def post(self, path: str, *, on: str = "", **fields: str) -> requests.Response:
        """A form as it is on the page `on`, with its mark; by default on the page it is sent to."""
        seen = self.get(on or path)
        mark = _MARK.search(seen.text)
        assert mark is not None, seen.text
        form = {"csrf_token": unescape(mark.group(1)), **fields}
        return self.session.post(self._address + path, data=form, headers={"Referer": seen.url}, timeout=60)

    def log_in(self, path: str, **fields: str) -> Self:
        """By what the form of the login page asks for."""
        seen = self.post(path, **fields)
        assert (seen.status_code, "Log out" in seen.text) == (200, True), seen.text
        return self
