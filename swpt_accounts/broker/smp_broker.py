"""The Dramatiq broker of this server: real queues with SMP messages, batches to the actors.

What Dramatiq's own brokers do besides is left out on purpose.  No middleware re-publishes,
interrupts or expires messages, no delay queues and dead-letter queues are declared, and
nothing of Dramatiq's own message format is ever put on a queue.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import dramatiq
from dramatiq import Message, Middleware
from dramatiq.errors import QueueNotFound

from swpt_accounts.events import Envelope

from .consumer import BatchConsumer, Intake, Source
from .sending import envelop
from .settlement import Publisher
from .waker import Waker


class SmpBroker(dramatiq.Broker, ABC):
    """What the broker on RabbitMQ and the one in the process share.

    `decode` is called in the consumer's thread for every delivery; `is_open` says whether
    messages are wanted now (see consumer.BatchConsumer).
    """

    def __init__(self, intake: Intake, middleware: Sequence[Middleware] = ()) -> None:
        super().__init__(middleware=list(middleware))
        self._intake = intake
        self.consumers: list[BatchConsumer] = []

    # -- Dramatiq's side ----------------------------------------------------------

    def declare_queue(self, queue_name: str) -> None:
        """Remember the name, so that a worker consumes it; `declare_topology` makes queues."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    def consume(
        self,
        queue_name: str,
        prefetch: int = 1,
        timeout: int = 30000,
    ) -> BatchConsumer:
        """A consumer of batches; `timeout` is in milliseconds.

        `prefetch` counts messages of Dramatiq, so it means nothing here.
        """
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)  # type: ignore[no-untyped-call]
        consumer = BatchConsumer(
            queue_name,
            lambda waker: self._open_source(queue_name, waker),
            self._intake.decode,
            limits=self._intake.limits,
            timeout=timeout / 1000,
            is_open=self._intake.is_open,
        )
        self.consumers = [one for one in self.consumers if not one.is_closed]
        self.consumers.append(consumer)
        return consumer

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Publish what an actor is sent as an SMP message to `accounts_in`, confirmed.

        Raises TypeError or ValueError if it cannot be one, NotRouted if no queue wants it,
        and another BrokerProblem if the broker cannot be used.
        """
        if delay is not None:
            raise ValueError("the protocol knows no delayed messages")
        self.emit_before("enqueue", message, delay)
        self._send(envelop(message))
        self.emit_after("enqueue", message, delay)
        return message

    # -- our side -----------------------------------------------------------------

    @abstractmethod
    def declare_topology(self, queue: str, routing_key: str) -> list[str]:
        """Declare the exchanges, queues and bindings of rules.md#the-broker; returns warnings."""

    @abstractmethod
    def make_publisher(self, *, internal_user: str = "", confirm_timeout: float = 30.0) -> Publisher:
        """A publisher of envelopes; the caller stops it."""

    @abstractmethod
    def count_messages(self, queue: str) -> int:
        """How many messages wait in a queue.  Raises QueueMissing or another BrokerProblem."""

    @abstractmethod
    def _open_source(self, queue_name: str, waker: Waker) -> Source:
        """Subscribe to a queue; may raise BrokerProblem."""

    @abstractmethod
    def _send(self, envelope: Envelope) -> None:
        """Publish one envelope and wait for the confirm; may raise BrokerProblem."""
