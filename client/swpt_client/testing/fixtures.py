"""Fixtures of pytest: put `pytest_plugins = ["swpt_client.testing.fixtures"]` into your conftest."""

from collections.abc import Iterator

import pytest

from .bench import Bench
from .network import BAD, SLOW


@pytest.fixture
def smp_bench() -> Iterator[Bench]:
    """A running agent, and a server in memory, with a perfect network between them."""
    with Bench() as bench:
        yield bench


@pytest.fixture
def smp_bad_bench() -> Iterator[Bench]:
    """The same on a bad network: requests are lost, doubled, late and shuffled, answers doubled and late."""
    with Bench(to_server=BAD, to_client=SLOW) as bench:
        yield bench
