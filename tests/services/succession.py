"""PostgreSQL servers of which each follows the one before, and takes its place when that is dead."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .replication import Instance, instances


class Succession:
    """A primary with a synchronous standby, and others that may follow later."""

    def __init__(self, members: Sequence[Instance]) -> None:
        self._members = list(members)
        self._reigning = 0

    @property
    def primary(self) -> Instance:
        """Who takes writes."""
        return self._members[self._reigning]

    def url(self, database: str) -> str:
        """Where a client finds whoever takes writes."""
        hosts = ",".join(f"{one.address}:{one.port}" for one in self._members)
        return f"postgresql://postgres@{hosts}/{database}?target_session_attrs=read-write"

    def make_database(self, name: str) -> str:
        """Where a client finds a new database."""
        self.primary.rows(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return self.url(name)

    def begin(self) -> None:
        """Start the first two."""
        self.primary.make()
        self.primary.start(wal_level="replica", max_wal_senders="4")
        self.follow()

    def follow(self) -> None:
        """The next one becomes the standby of the primary."""
        self._members[self._reigning + 1].follow(self.primary)

    def promote(self) -> None:
        """The standby takes the place of the primary, which is dead; `follow` gives it one of its own."""
        self._reigning += 1
        self.primary.promote()
        # Nobody is there to wait for.
        self.primary.rows("ALTER SYSTEM SET synchronous_standby_names = ''")
        self.primary.rows("SELECT pg_reload_conf()")


@contextmanager
def followed(successors: int = 2) -> Iterator[Succession]:
    """A primary and a standby run, and each commit is on both.  Raises ServiceMissing."""
    names = ("primary", *(f"standby{number}" for number in range(successors)))
    with instances(*names) as members:
        succession = Succession(members)
        succession.begin()
        yield succession
