"""What has happened in worlds, counted."""

from collections import Counter
from collections.abc import Iterable

import msgspec


class Counts(msgspec.Struct):
    """Sums over worlds."""

    worlds: int = 0
    transfers: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    bundles: Counter[str] = msgspec.field(default_factory=Counter)
    """How many bundles have been in each state."""
    crashes: Counter[str] = msgspec.field(default_factory=Counter)
    to_server: Counter[str] = msgspec.field(default_factory=Counter)
    to_client: Counter[str] = msgspec.field(default_factory=Counter)
    ledger_entries: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        """Sum up."""
        self.worlds += other.worlds
        self.transfers += other.transfers
        for field in ("outcomes", "bundles", "crashes", "to_server", "to_client", "ledger_entries"):
            getattr(self, field).update(getattr(other, field))

    def lines(self) -> Iterable[str]:
        """For a person."""
        yield f"{self.worlds} worlds, {self.transfers} transfers"
        for title, counter in (
            ("outcomes", self.outcomes),
            ("bundles that were once", self.bundles),
            ("died at", self.crashes),
            ("to the server", self.to_server),
            ("to the client", self.to_client),
            ("ledger entries", self.ledger_entries),
        ):
            yield f"{title}: " + ", ".join(f"{key} {count}" for key, count in sorted(counter.items()))
