"""Tap as a running program, and people with phones."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.backstage.folders import new_folder
from tests.backstage.running import Program, embedded
from tests.backstage.waiting import wait_until

from .people import Holder, create, operator

_numbers = count(1)


@pytest.fixture(scope="session")
def tap_folder() -> Iterator[Path]:
    """Where the shared program has everything."""
    with new_folder() as path:
        yield path


@pytest.fixture(scope="session")
def tap(tap_folder: Path) -> Iterator[Program]:
    """The one program of all files that start none of their own."""
    with embedded("tap", tap_folder) as program:
        wait_until((tap_folder / "sample-keys.json").exists, "sample people")
        yield program


@pytest.fixture(scope="session")
def bank(tap: Program, tap_folder: Path) -> Holder:
    """The operator."""
    return operator(tap, tap_folder)


@pytest.fixture
def new_holder(tap: Program, bank: Holder) -> Callable[..., Holder]:
    """Opens an account for somebody new."""

    def make(balance: str = "100.00") -> Holder:
        return create(tap, bank, f"user{next(_numbers)}", balance)

    return make
