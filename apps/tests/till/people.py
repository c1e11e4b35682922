"""People at the till: by its API, as programs use it, and by its pages, as browsers do."""

import re
import time
from html import unescape
from http import HTTPStatus
from typing import Any, Final, Self

import requests

from tests.backstage.running import Caller, Program

PREFIX: Final = "/api/v1"
PASSWORD: Final = "till-sample"
PATIENCE_SECONDS: Final = 90.0
_FIELD: Final = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


def until(look: Any, what: str) -> Any:
    """Wait for something that becomes true."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


class Browser:
    """Somebody with a browser: keeps cookies, fills forms."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.session = requests.Session()
        self.session.headers["Accept"] = "text/html"

    def get(self, path: str) -> requests.Response:
        """A page, and where it has led."""
        return self.session.get(self._program.address + path, timeout=60)

    def post(self, path: str, on: str = "", **fields: Any) -> requests.Response:
        """A form with its mark, as it is on the page `on`."""
        mark = dict(_FIELD.findall(self.get(on or path).text))
        values = {"csrf_token": mark.get("csrf_token", "")} | {
            name: str(value) for name, value in fields.items()
        }
        return self.session.post(self._program.address + path, data=values, timeout=60)

    def form(self, on: str, action: str) -> dict[str, str]:
        """The hidden fields of the first form of a page with this action."""
        page = self.get(on).text
        found = re.search(
            rf'<form method="post" action="{re.escape(action)}"[^>]*>(.*?)</form>', page, re.DOTALL
        )
        assert found, f"no form for {action} on {on}:\n{page}"
        return {name: unescape(value) for name, value in _FIELD.findall(found.group(1))}


class Administration(Browser):
    """Whoever knows the password."""

    def log_in(self) -> Self:
        """Enter."""
        answer = self.post("/administration", password=PASSWORD)
        assert answer.url.endswith("/administration/people"), answer.text
        return self

    def admit(self, name: str, password: str = PASSWORD) -> int:
        """Somebody new, with a password."""
        answer = self.post("/administration/people", name=name)
        found = re.search(r"/administration/people/(\d+)$", answer.url)
        assert found, answer.text
        page = f"/administration/people/{found.group(1)}"
        answer = self.post(f"{page}/password", on=page, password=password)
        assert answer.status_code == 200, answer.text
        return int(found.group(1))

    def set_line(self, holder_id: int, line: str) -> requests.Response:
        """How far below zero somebody may be."""
        page = f"/administration/people/{holder_id}"
        form = self.form(page, f"{page}/line")
        return self.insist(f"{page}/line", form | {"line": line})

    def insist(self, path: str, form: dict[str, str]) -> requests.Response:
        """Send a form, again as long as it is said to be stored and not done yet."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.session.post(self._program.address + path, data=form, timeout=60)
            if "It is stored" not in answer.text:
                return answer
            assert time.monotonic() < end, answer.text

    def sell(self, name: str, price: str, stock: int = 10, barcode: str = "") -> int:
        """A new product."""
        answer = self.post(
            "/administration/products", name=name, category="Test", price=price, stock=stock, barcode=barcode
        )
        found = re.search(rf'/products/(\d+)">{re.escape(name)}</a>', answer.text)
        assert found, answer.text
        return int(found.group(1))

    def stock(self, product_id: int) -> int:
        """What the page says."""
        page = self.get(f"/administration/products/{product_id}").text
        found = re.search(r"<dt>Stock</dt><dd>(-?\d+)", page)
        assert found, page
        return int(found.group(1))


class Person(Caller):
    """Somebody who is logged in at the API."""

    def __init__(self, program: Program, name: str, holder_id: int) -> None:
        super().__init__(program.address, PREFIX)
        self.name, self.id = name, holder_id

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> requests.Response:
        """As people do: what is still running is asked for again, with the same token, until it has ended."""
        end = time.monotonic() + PATIENCE_SECONDS
        while (answer := super().post(path, body, key=key)).status_code == HTTPStatus.ACCEPTED:
            assert time.monotonic() < end, answer.text
        return answer

    def log_in(self) -> Self:
        """By name and password."""
        answer = self.post("/login", {"name": self.name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.session.headers["Authorization"] = f"Bearer {answer.json()['bearer']}"
        return self

    def token(self) -> str:
        """A one-time token."""
        token: str = self.post("/tokens").json()["token"]
        return token

    @property
    def me(self) -> dict[str, Any]:
        """What one has."""
        answer = self.get("/me")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @property
    def balance(self) -> str:
        """What one has, without the line."""
        balance: str = self.me["balance"]
        return balance

    def buy(self, product_id: int, price: str, token: str = "") -> requests.Response:
        """A product for the price that was shown."""
        body = {"token": token or self.token(), "product_id": product_id, "price": price}
        return self.post("/purchases", body)

    def recharge(self, amount: Any, token: str = "") -> requests.Response:
        """What was put into the box."""
        return self.post("/recharges", {"token": token or self.token(), "amount": amount})

    def give(self, to: str, amount: Any, note: str = "", token: str = "") -> requests.Response:
        """Money for somebody else."""
        body = {"token": token or self.token(), "to": to, "amount": amount, "note": note}
        return self.post("/transfers", body)

    def undo(self, deed: str, token: str = "") -> requests.Response:
        """Take something back."""
        return self.post(f"/deeds/{deed}/undo", {"token": token or self.token()})

    def rich(self, amount: str) -> Self:
        """Recharged, as soon as the account is there."""
        token = self.token()
        until(lambda: self.recharge(amount, token).status_code == 201, f"{self.name}'s account")
        return self
