"""The shop as a running program, and people who use it."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.backstage.running import Program, embedded

from .people import Person, register, the_admin

_numbers = count(1)


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Program]:
    """The program, with all in one folder."""
    with embedded("shop", folder) as program:
        yield program


@pytest.fixture(scope="module")
def admin(shop: Program) -> Person:
    """Who grants credit."""
    return the_admin(shop)


@pytest.fixture
def new_seller(shop: Program, admin: Person) -> Callable[..., Person]:
    """Registers a seller, with some credit."""

    def make(credit: str = "0.00") -> Person:
        one = register(shop, f"seller{next(_numbers)}")
        if credit != "0.00":
            asked = one.ask(credit).json()["id"]
            assert admin.decide(asked, "approve").json()["is_issued"]
        return one

    return make
