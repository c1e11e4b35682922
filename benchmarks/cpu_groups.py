"""The processors' time of groups of processes, with their children: broker, databases, servers, router.

Control groups count it to the last process where we may make some; elsewhere `/proc` is added up, which
misses what a process does that begins and ends between two looks, unless its parent waits for it.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from .processor_time import processes

_TICKS: Final = os.sysconf("SC_CLK_TCK")
# Of both kinds: where groups are made, the file that counts, and its reader.
_VERSION_1: Final = Path("/sys/fs/cgroup/cpuacct")
_VERSION_2: Final = Path("/sys/fs/cgroup")

Read: TypeAlias = Callable[[], dict[str, float]]
"""Seconds by group so far; only differences mean something."""


class Counting(NamedTuple):
    """How it is counted, and what it says now."""

    way: str
    read: Read


@contextmanager
def counting(groups: Mapping[str, Sequence[int]]) -> Iterator[Counting]:
    """Count what these processes and their children use, also those that begin later."""
    place = _place()
    if place is None:
        yield Counting("/proc", lambda: _read_processes(groups))
        return
    made = {name: place / f"swpt-benchmark-{os.getpid()}-{name}" for name in groups}
    try:
        for name, folder in made.items():
            folder.mkdir()
            _move([pid for root in groups[name] for pid in family(root)], folder)
        yield Counting("control groups", lambda: {name: _used(folder) for name, folder in made.items()})
    finally:
        for folder in made.values():
            if folder.is_dir():
                _move(map(int, (folder / "cgroup.procs").read_text().split()), place)
                folder.rmdir()


def family(root: int) -> list[int]:
    """A process and all that descend from it, now."""
    children = defaultdict(list)
    for pid, _, fields in processes():
        children[int(fields[1])].append(pid)
    found, rest = [], [root]
    while rest:
        found.append(rest.pop())
        rest += children[found[-1]]
    return found


def parent_of(pid: int) -> int:
    """Who has started a process of anybody."""
    return next(int(fields[1]) for found, _, fields in processes() if found == pid)


def session(leader: int) -> list[int]:
    """The processes of a session."""
    return [pid for pid, _, fields in processes() if int(fields[3]) == leader]


def _place() -> Path | None:
    """Where we may make groups that count, if anywhere."""
    for place in (_VERSION_1, _VERSION_2):
        is_one = place is _VERSION_1 or (place / "cgroup.controllers").exists()
        if is_one and (place / "cgroup.procs").exists() and os.access(place, os.W_OK):
            return place
    return None


def _move(pids: "Sequence[int] | map[int]", folder: Path) -> None:
    for pid in pids:
        try:
            (folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            continue  # it has just ended


def _used(folder: Path) -> float:
    if (folder / "cpuacct.usage").exists():
        return int((folder / "cpuacct.usage").read_text()) / 1e9
    lines = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
    return int(lines["usage_usec"]) / 1e6


def _read_processes(groups: Mapping[str, Sequence[int]]) -> dict[str, float]:
    stats = {pid: fields for pid, _, fields in processes()}
    return {
        name: sum(
            sum(map(int, stats[pid][11:15])) / _TICKS
            for root in roots
            for pid in family(root)
            if pid in stats
        )
        for name, roots in groups.items()
    }
