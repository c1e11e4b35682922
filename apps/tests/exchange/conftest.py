"""The exchange as a running program, and traders."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.backstage.folders import new_folder
from tests.backstage.running import Program, embedded
from tests.backstage.traders import Trader, admit, operator
from tests.backstage.waiting import wait_until

NewTrader: TypeAlias = Callable[..., Trader]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Where the shared program has everything."""
    with new_folder() as path:
        yield path


@pytest.fixture(scope="session")
def exchange(folder: Path) -> Iterator[Program]:
    """The program, with all in one folder, and its messages in the hands of a test (see `staged`)."""
    with embedded(
        "tests.exchange.staged",
        folder,
        EXCHANGE_DECIDE_SECONDS="6",
        STAGE=str(folder / "stage"),
    ) as program:
        wait_until((folder / "sample-keys.json").exists, "sample traders")
        yield program


@pytest.fixture(scope="session")
def bank(exchange: Program, folder: Path) -> Trader:
    """The operator."""
    return operator(exchange, folder)


@pytest.fixture
def new_trader(exchange: Program, bank: Trader) -> Iterator[NewTrader]:
    """Admits somebody new, with money; what they still offer is taken back, for the book is everybody's."""
    admitted: list[Trader] = []

    def make(**money: str) -> Trader:
        admitted.append(admit(exchange, bank, **money))
        return admitted[-1]

    yield make
    for trader in admitted:
        wait_until(trader.take_all_back, "no offers in the book")
