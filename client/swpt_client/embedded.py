"""A server and its client in one process: the client's transport over the queues of an embedded server.

This room needs the distribution `swpt-accounts`, and with it what its embedded server needs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, create_engine, make_url

from .bindings import Binding
from .transport.memory import MemoryTransport

try:
    from swpt_accounts.embedded import (
        ChannelClosed,
        EmbeddedServer,
        MemorySource,
        OperatorError,
        QueueFull,
        Receipt,
        Waker,
    )
    from swpt_accounts.embedded import MemoryTransport as ServerTransport
except ImportError as error:
    raise ImportError(
        f"swpt_client.embedded runs the server in this process, which needs the distribution"
        f" 'swpt-accounts[demo]' beside swpt-client ({error})"
    ) from error

__all__ = ["EmbeddedServer", "OperatorError", "embedded_engine", "embedded_transport"]


def embedded_engine(server: EmbeddedServer, name: str) -> Engine:
    """A database of the server's PostgreSQL for the program itself; it is made if it is not there."""
    return create_engine(make_url(server.database_url(name)).set(drivername="postgresql+psycopg2"))


def embedded_transport(
    server: EmbeddedServer | ServerTransport, queue: str, *, prefetch_count: int = 2000
) -> MemoryTransport:
    """The transport of an agent within the process of a server; `queue` names the agent's own queue.

    A message to the server leaves the agent's outbox when the server has committed it, and an
    event leaves the server's outbox when the agent has: a process that is killed loses nothing.
    """
    transport = server.transport if isinstance(server, EmbeddedServer) else server
    return MemoryTransport(_Hub(transport), queue, prefetch_count=prefetch_count)


class _Source:
    """See transport.memory.Source."""

    def __init__(self, transport: ServerTransport, queue: str, prefetch_count: int) -> None:
        self._waker = Waker()
        self._source: MemorySource = transport.subscribe(queue, prefetch_count, self._waker)

    def receive(self, timeout: float) -> Sequence[Any]:
        """What has arrived."""
        return self._source.receive(timeout)

    def ack(self, tag: int) -> None:
        """Forget all deliveries up to the tag."""
        self._source.ack(tag)

    def wake(self) -> None:
        """Let a `receive` that waits return."""
        self._waker.set()

    def close(self) -> None:
        """Put back what is not acknowledged, and end."""
        self._source.close()
        self._waker.close()


class _Hub:
    """See transport.memory.Hub."""

    def __init__(self, transport: ServerTransport) -> None:
        self._transport = transport

    def declare(self, queue: str, bindings: Sequence[Binding]) -> None:
        """Make a queue, and bind it."""
        self._transport.declare_queue(queue)
        for one in bindings:
            self._transport.bind_queue(queue, one.exchange, one.routing_key, dict(one.arguments))

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        *,
        headers: Mapping[str, Any],
        type: str,  # noqa: A002 - the protocol's word
        on_settled: Callable[[str | None], None],
    ) -> str | None:
        """Publish; gives a reason if nobody takes it."""

        def settled(reason: str | None) -> None:
            on_settled("refused" if reason == "nacked" else reason)

        try:
            is_routed = self._transport.publish(
                exchange, routing_key, body, headers=headers, type=type, receipt=Receipt(settled)
            )
        except (ChannelClosed, QueueFull):
            return "refused"
        return None if is_routed else "returned"

    def subscribe(self, queue: str, prefetch_count: int) -> _Source:
        """Consume a queue."""
        return _Source(self._transport, queue, prefetch_count)
