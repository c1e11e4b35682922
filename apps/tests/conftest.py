"""What all tests of applications share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser

from tests.backstage.folders import new_folder
from tests.backstage.windows import chromium

_LONG_FIRST: Final = (
    *("exchange/test_trades.py", "shop/test_sales.py", "till/test_faults.py"),
    *("till/test_table.py", "till/test_terminal.py", "till/test_undo.py"),
    *("wallets/test_money.py", "wallets/test_clients.py", "tap/test_taps.py", "tap/test_phones.py"),
    *("till/test_kills.py", "wallets/test_kills.py", "shop/test_killed.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files come first, so that no process has one left at the end."""
    top = Path(__file__).parent
    order = {top / name: number for number, name in enumerate(_LONG_FIRST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where the program of a module has everything."""
    with new_folder() as path:
        yield path


@pytest.fixture(scope="module")
def browser_running() -> Iterator[Browser]:
    """A real browser, for the tests of one file."""
    with chromium() as found:
        yield found
