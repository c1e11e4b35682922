"""Wallets as a running program, and people who use it."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.backstage.running import Caller, Program, embedded

from .people import Person, deposit, register

_numbers = count(1)


@pytest.fixture(scope="module")
def wallets(folder: Path) -> Iterator[Program]:
    """The program, with all in one folder; everybody may deposit."""
    with embedded("wallets", folder, WALLETS_DEPOSITS_BY_ALL="yes") as program:
        yield program


@pytest.fixture
def new_person(wallets: Program) -> Callable[..., Person]:
    """Registers somebody, with some money."""

    def make(money: str = "0.00") -> Person:
        person = register(wallets, f"person{next(_numbers)}@example.com")
        if money != "0.00":
            deposit(person, money)
        return person

    return make


__all__ = ["Caller"]
