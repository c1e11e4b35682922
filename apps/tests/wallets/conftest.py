"""Wallets as a running program, and people who use it."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from flask import Flask

from house import program
from house.settings import read_settings
from tests.backstage.folders import new_folder
from tests.backstage.people import Person, deposit, register
from tests.backstage.running import Program, embedded
from wallets.program import APPLICATION

_numbers = count(1)


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Where the one program has everything."""
    with new_folder() as path:
        yield path


# One program for all tests of a process of pytest: they share it, and look only at people of their own.
@pytest.fixture(scope="session")
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


@pytest.fixture
def app(folder: Path, wallets: Program) -> Iterator[Flask]:
    """The application within the test, on the database of the running program, with the usual settings."""
    settings = read_settings("wallets", APPLICATION.defaults, {"APP_FOLDER": str(folder)})
    url = f"postgresql://postgres@/wallets?host={folder}/socket"
    room = program.make_room(APPLICATION, settings, {}, url, program.NoTransport())
    room.is_ready.set()
    yield program.make_app(APPLICATION, room)
    room.database.engine.dispose()
