"""PostgreSQL's own guards against losing or spoiling what it has confirmed: which of them are off."""

from typing import Any, Final

import msgspec

_READ: Final = """
SELECT name, CASE WHEN name = 'synchronous_commit' THEN reset_val ELSE setting END FROM pg_settings
WHERE name IN ('data_checksums', 'fsync', 'full_page_writes', 'synchronous_commit')
ORDER BY name
"""

# What happens without a guard.
_RISKS: Final = {
    "data_checksums": "a page that a disk has spoiled is not noticed",
    "fsync": "a power failure can lose or spoil everything",
    "full_page_writes": "a power failure can spoil pages",
    "synchronous_commit": "a crash can lose what other programs have committed",
}


class Guard(msgspec.Struct, frozen=True):
    """A guard, and how it is set."""

    name: str
    value: str

    @property
    def is_on(self) -> bool:
        """Every other value of `synchronous_commit` waits for the local disk, and maybe for others."""
        return self.value != "off"

    def __str__(self) -> str:
        return f"{self.name} is {self.value}" + ("" if self.is_on else f": {_RISKS[self.name]}")


def read_guards(cursor: Any) -> list[Guard]:
    """All guards.  Ours wait for the disk in any case: sessions set `synchronous_commit` themselves."""
    cursor.execute(_READ)
    return [Guard(name, value) for name, value in cursor.fetchall()]


def missing_guards(cursor: Any) -> list[Guard]:
    """Those that are off."""
    return [guard for guard in read_guards(cursor) if not guard.is_on]
