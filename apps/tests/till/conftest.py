"""The till as a running program, and people who use it."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.backstage.running import Program, embedded

from .people import Administration, Browser, Person, until

_numbers = count(1)


@pytest.fixture(scope="session")
def till() -> Iterator[Program]:
    """One program for all stories of this process, with everything in one folder."""
    with TemporaryDirectory(prefix="swpt-till-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with embedded("till", folder, TILL_DAILY_RECHARGE="100.00") as program:
            yield program


@pytest.fixture(scope="session")
def office(till: Program) -> Administration:
    """Somebody who is logged in to the administration."""
    browser = Administration(till)
    # The samples, and the password with them, are there a moment after the start.
    until(lambda: browser.post("/administration", password="till-sample").status_code == 200, "the password")
    return browser


@pytest.fixture
def new_person(till: Program, office: Administration) -> Callable[..., Person]:
    """Admits somebody, with some money and a line."""

    def make(money: str = "", line: str = "") -> Person:
        name = f"Person {next(_numbers)}"
        person = Person(till, name, office.admit(name)).log_in()
        if money:
            person.rich(money)
        if line:
            until(lambda: "The line is" in office.set_line(person.id, line).text, "the line")
        return person

    return make


@pytest.fixture
def new_product(office: Administration) -> Callable[..., int]:
    """Puts something on sale."""

    def make(price: str = "1.50", stock: int = 10, barcode: str = "") -> int:
        return office.sell(f"Product {next(_numbers)}", price, stock, barcode)

    return make


@pytest.fixture
def browser(till: Program) -> Browser:
    """Somebody who has just come, with a phone."""
    return Browser(till)


@pytest.fixture
def terminal(till: Program, office: Administration) -> Browser:
    """A screen that holds the terminal cookie."""
    office.post("/administration/terminals", name=f"Kitchen {next(_numbers)}")
    found = Browser(till)
    found.session.cookies.update(
        {one.name: one.value or "" for one in office.session.cookies if one.name == "till_terminal"}
    )
    return found
