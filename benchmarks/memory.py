"""The memory of the processes under load: how much, and whether it grows."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Final

import msgspec

from .processor_time import memory_bytes

SAMPLE_SECONDS: Final = 10.0
_MEGABYTE: Final = 1_000_000


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What one process has held, in megabytes."""

    most: float
    slope_per_hour: float
    """Of the second half of the time, when pools and caches are full."""

    samples: list[float]


class Watch:
    """Samples the resident memory of processes."""

    def __init__(self, roles: Mapping[int, str], sample_seconds: float) -> None:
        self._roles = roles
        self._sample_seconds = sample_seconds
        self._is_over = threading.Event()
        self._samples: dict[int, list[tuple[float, float]]] = {pid: [] for pid in roles}
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> None:
        """End, with a last sample."""
        self._is_over.set()
        self._thread.join()

    def results(self) -> dict[str, Memory]:
        """What each process has held, by role and id."""
        return {f"{self._roles[pid]} {pid}": _summary(samples) for pid, samples in self._samples.items()}

    def _sample(self) -> None:
        started = monotonic()
        while True:
            is_over = self._is_over.wait(self._sample_seconds)
            for pid, samples in self._samples.items():
                samples.append((monotonic() - started, memory_bytes(pid) / _MEGABYTE))
            if is_over:
                return


@contextmanager
def watching(roles: Mapping[int, str], sample_seconds: float = SAMPLE_SECONDS) -> Iterator[Watch]:
    """Sample while the context lasts."""
    watch = Watch(roles, sample_seconds)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def _summary(samples: Sequence[tuple[float, float]]) -> Memory:
    later = samples[len(samples) // 2 :]
    return Memory(
        most=round(max(size for _, size in samples), 1),
        slope_per_hour=round(3600 * slope(later), 1),
        samples=[round(size, 1) for _, size in samples],
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The steepness of the straight line that fits best."""
    number = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / number, sum(y for _, y in points) / number
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
