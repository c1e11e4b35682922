"""Who has used the processors: by role, in percent of one core.

PostgreSQL and RabbitMQ are told by their names, all of them on this machine; servers under test
and the generator by their process ids, so that a neighbour's worker is nobody of ours.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Used(NamedTuple):
    """What a process has used so far."""

    name: str
    seconds: float


def processes() -> Iterator[tuple[int, str, list[str]]]:
    """All processes: id, name, and what /proc/PID/stat has behind it (state, parent, group, session …)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(errors="replace")
            except OSError:
                continue  # it has just ended
            name, _, rest = text[text.index("(") + 1 :].rpartition(")")
            yield int(entry.name), name, rest.split()


def snapshot() -> dict[int, Used]:
    """All processes by their ids."""
    return {
        pid: Used(name, (int(fields[11]) + int(fields[12])) / _TICKS) for pid, name, fields in processes()
    }


def split(
    before: Mapping[int, Used], after: Mapping[int, Used], seconds: float, roles: Mapping[int, str]
) -> dict[str, float]:
    """Percent of one core by role, the greatest first; `roles` are those of our own processes."""
    used: defaultdict[str, float] = defaultdict(float)
    for pid, now in after.items():
        then = before[pid].seconds if pid in before else 0.0
        used[roles.get(pid) or _role(now.name)] += now.seconds - then
    percents = {role: round(100 * one / seconds, 1) for role, one in used.items()}
    return dict(sorted(((r, p) for r, p in percents.items() if p), key=lambda item: -item[1]))


def memory_bytes(pid: int) -> int:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def _role(name: str) -> str:
    if name == "postgres":
        return "postgresql"
    return "rabbitmq" if name in ("beam.smp", "erl_child_setup") else "others"
