"""A worker gives memory back to the system that it does not use, and looks for cycles seldom."""

import ctypes
import gc
import platform
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swpt_accounts import frugality
from swpt_accounts.frugality import Frugality

MEGABYTES = 50
PIECE = 4000  # more than Python's own allocator takes, less than what is mapped on its own


@pytest.fixture
def middleware() -> Iterator[Frugality]:
    """On a process whose collector is afterwards as before."""
    thresholds = gc.get_threshold()
    yield Frugality()
    gc.set_threshold(*thresholds)


def resident_megabytes() -> float:
    """What of this process is in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def fill_and_empty() -> list[bytes]:
    """Leave free room between pieces that stay, so that none of it is the end of the heap."""
    pieces = [bytes(PIECE) for _ in range(MEGABYTES * 1_000_000 // PIECE)]
    return [*pieces[::100], pieces[-1]]


def finish_a_batch(middleware):
    """What Dramatiq's worker does afterwards."""
    middleware.after_process_message(None, None)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other habits")
def test_free_room_is_given_back_once_a_minute(middleware, monkeypatch):
    """Batch after batch nothing happens; after a minute the pages go back, also those in the middle."""
    middleware.before_worker_boot(None, None)
    stays = fill_and_empty()
    before = resident_megabytes()
    finish_a_batch(middleware)
    assert resident_megabytes() > before - MEGABYTES / 2
    monkeypatch.setattr(frugality, "monotonic", lambda: 1e12)
    finish_a_batch(middleware)
    assert resident_megabytes() < before - MEGABYTES / 2
    assert stays


def test_the_collector_takes_its_time(middleware):
    """From the start of a worker on."""
    middleware.before_worker_boot(None, None)
    assert gc.get_threshold()[0] >= 10_000


def test_a_c_library_without_trimming_is_no_problem(middleware, monkeypatch):
    """Then the memory stays with the process."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    without: Any = Frugality()
    without.before_worker_boot(None, None)
    monkeypatch.setattr(frugality, "monotonic", lambda: 1e12)
    finish_a_batch(without)
