"""Tap as a running program, and people with phones."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.backstage.running import Program, embedded
from tests.backstage.waiting import wait_until

from .people import Holder, create, operator

_numbers = count(1)


@pytest.fixture(scope="module")
def tap(folder: Path) -> Iterator[Program]:
    """The program, with all in one folder; a lone half waits two seconds."""
    with embedded("tap", folder, TAP_ALONE_SECONDS="2") as program:
        wait_until((folder / "sample-keys.json").exists, "sample people")
        yield program


@pytest.fixture(scope="module")
def bank(tap: Program, folder: Path) -> Holder:
    """The operator."""
    return operator(tap, folder)


@pytest.fixture
def new_holder(tap: Program, bank: Holder) -> Callable[..., Holder]:
    """Opens an account for somebody new."""

    def make(balance: str = "100.00") -> Holder:
        return create(tap, bank, f"user{next(_numbers)}", balance)

    return make
