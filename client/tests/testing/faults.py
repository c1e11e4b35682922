"""Clients with a fault each, which random worlds must find."""

from collections.abc import Sequence
from typing import Any

from swpt_client import core
from swpt_client.core import Result
from swpt_client.inputs import Due
from swpt_client.records import EntryKind
from swpt_client.testing.client import MemoryClient
from swpt_client.testing.network import Way


class AcknowledgesTooEarly(MemoryClient):
    """Acknowledges before the commit: who dies in between has lost the messages."""

    def receive(self, way: Way[tuple[bytes, str]], most: int = 500) -> int:
        """Nothing that was taken comes again."""
        taken = way.take(most)
        way.ack([tag for tag, _ in taken])
        if taken:
            self.feed(self._decoded(body for _, body in taken))
        return len(taken)


class StoresWhatItReadBefore(MemoryClient):
    """Its timer folds what it read before the messages of the round came, and stores it after them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._old: tuple[Sequence[Due], core.Records] = ([], core.Records())

    def receive(self, way: Way[tuple[bytes, str]], most: int = 500) -> int:
        """First the timer reads, then messages come."""
        due = self._due()
        self._old = due, self._read(due)
        return super().receive(way, most)

    def tick(self) -> int:
        """The timer goes on with what it has in its hands."""
        due, records = self._old
        if due:
            result = core.fold(due, records, self.clock.now, self._dice.getrandbits(64), self.policy)
            self._write(result)
            self._on_commit(result)
        self._old = [], core.Records()
        return len(due)


class ForgetsKeys(MemoryClient):
    """Deletes a transfer as soon as it has ended."""

    def _write(self, result: Result) -> None:
        super()._write(result)
        for transfer in result.transfers.values():
            if transfer.finished_at is not None and transfer.bundle_key is None:
                del self.memory.requests[self.memory.transfers.pop(transfer.key).request_key]


class LeavesDummiesOut(MemoryClient):
    """Writes no dummy entry for what the server does not announce."""

    def _write(self, result: Result) -> None:
        result.entries = [one for one in result.entries if one.kind is EntryKind.TRANSFER]
        super()._write(result)
