"""What an agent counts: a hook for whatever an application measures with."""

from typing import Protocol


class Metrics(Protocol):
    """Takes numbers; any thread may call it, and it is quick.

    Counters: `messages_received_total{type}`, `messages_sent_total{type}`,
    `messages_unsent_total{reason}`, `dead_letters_total{reason}`, `ignored_total{row}`,
    `news_total{kind}`, `handler_failures_total`, `conflicts_total`, `batches_total`.
    Gauges: `batch_seconds` (of the last one), `in_flight_messages`, `is_store_away` (0 or 1).
    """

    def count(self, name: str, amount: int = 1, /, **labels: str) -> None:
        """Add to a counter."""

    def set(self, name: str, value: float, /) -> None:
        """Set a gauge."""


class NoMetrics:
    """Nobody measures."""

    def count(self, name: str, amount: int = 1, /, **labels: str) -> None:
        """Nothing."""

    def set(self, name: str, value: float, /) -> None:
        """Nothing."""
