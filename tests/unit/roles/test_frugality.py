"""A worker looks for cycles of objects seldom."""

import gc
from collections.abc import Iterator

import pytest

from swpt_accounts.roles.worker.wiring import Frugality


@pytest.fixture
def middleware() -> Iterator[Frugality]:
    """On a process whose collector is afterwards as before."""
    thresholds = gc.get_threshold()
    yield Frugality()
    gc.set_threshold(*thresholds)


def test_the_collector_takes_its_time(middleware):
    """From the start of a worker on."""
    middleware.before_worker_boot(None, None)
    assert gc.get_threshold()[0] >= 10_000
