"""What all tests of applications share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backstage.folders import new_folder


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where the program of a module has everything."""
    with new_folder() as path:
        yield path
