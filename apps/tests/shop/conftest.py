"""The shop as a running program, and people who use it."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.backstage.folders import new_folder
from tests.backstage.running import Program, embedded

from .people import Person, register, the_admin

_numbers = count(1)


@pytest.fixture(scope="session")
def shop() -> Iterator[Program]:
    """The one program of all files that start none of their own, with all in one folder."""
    with new_folder() as folder, embedded("shop", folder) as program:
        yield program


@pytest.fixture(scope="session")
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
