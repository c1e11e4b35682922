"""What all tests of applications share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser
from xdist.scheduler.loadfile import LoadFileScheduling  # type: ignore[import-untyped]

from tests.backstage.folders import new_folder
from tests.backstage.windows import chromium

_LONG_FIRST: Final = (
    *("till/test_faults.py", "till", "wallets", "exchange", "shop", "tap"),
    *("till/test_kills.py", "wallets/test_kills.py", "shop/test_killed.py", "tap/test_phones.py"),
)
_PROGRAMS_OF_THEIR_OWN: Final = (
    *("test_faults.py", "test_kills.py", "test_killed.py", "test_phones.py", "test_restore.py"),
    "test_pictures.py",
)


class ByProgram(LoadFileScheduling):  # type: ignore[misc]
    """What shares a program is for one process of xdist, so that each program starts once."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(Path(nodeid.partition("::")[0]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByProgram:
    """For `-n 3`, in place of `--dist`."""
    return ByProgram(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long come first, so that no process has one left at the end."""
    order = {name: number for number, name in enumerate(_LONG_FIRST)}
    items.sort(key=lambda item: order.get(_group(item.path), len(order)))


def _group(path: Path) -> str:
    """The application, or the file if it has a program of its own, or needs none."""
    app = path.parent.name
    is_apart = path.name in _PROGRAMS_OF_THEIR_OWN or app == "house"
    return f"{app}/{path.name}" if is_apart else app


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
