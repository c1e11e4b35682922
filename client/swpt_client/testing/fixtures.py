"""Fixtures of pytest: put `pytest_plugins = ["swpt_client.testing.fixtures"]` into your conftest."""

from collections.abc import Iterator
from typing import Final

import pytest

from .bench import Bench
from .network import BAD, SLOW

_HAS_FAILED: Final = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Remember which tests fail by themselves; pytest tells that to no fixture."""
    if call.when == "call" and call.excinfo is not None:
        item.stash[_HAS_FAILED] = True


@pytest.fixture
def smp_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A running agent, and a server in memory, with a perfect network between them."""
    yield from _run(Bench(), request)


@pytest.fixture
def smp_bad_bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The same on a bad network: requests are lost, doubled, late and shuffled, answers doubled and late."""
    yield from _run(Bench(to_server=BAD, to_client=SLOW), request)


def _run(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A test that fails already is not told of handlers as well."""
    bench.agent.start()
    try:
        yield bench
    finally:
        bench.agent.stop()
    if not request.node.stash.get(_HAS_FAILED, False):
        bench.check_handlers()
