"""A subscription to a queue of RabbitMQ: the source of a consumer."""

from collections.abc import Sequence

import pika.spec

from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.errors import BrokerProblem, ChannelClosed, QueueMissing
from swpt_accounts.broker.waker import Waker

from . import frames
from .connection import CLOSE_TIMEOUT_SECONDS, Connection


class Subscription:
    """basic.consume with manual acknowledgement on a connection of its own (rules.md#failures).

    Raises QueueMissing, or another BrokerProblem, if it cannot be had.
    """

    def __init__(self, amqp_url: str, queue: str, prefetch_count: int, waker: Waker) -> None:
        self._connection = Connection(amqp_url, f"swpt_accounts: consumer of {queue}", waker)
        try:
            self._connection.call(
                pika.spec.Basic.Qos(prefetch_size=0, prefetch_count=prefetch_count), pika.spec.Basic.QosOk
            )
            consume = pika.spec.Basic.Consume(queue=queue, consumer_tag="c", no_ack=False)
            self._connection.call(consume, pika.spec.Basic.ConsumeOk)
        except ChannelClosed as problem:
            self._connection.close()
            if problem.code == 404:
                raise QueueMissing(f"queue missing: {queue}: run `swpt-accounts configure`") from None
            raise
        except BrokerProblem:
            self._connection.close()
            raise

    def receive(self, timeout: float) -> Sequence[Delivery]:
        """What has arrived; waits at most `timeout` seconds; returns early when woken."""
        return [frame for frame in self._connection.receive(timeout) if isinstance(frame, Delivery)]

    def beat(self) -> None:
        """Send a heartbeat if one is due."""
        self._connection.beat()

    def ack(self, tag: int) -> None:
        """Acknowledge all deliveries up to the tag; any thread may call this."""
        self._connection.send(frames.ack(tag))

    def requeue(self, tag: int) -> None:
        """Give back all deliveries up to the tag; any thread may call this."""
        self._connection.send(frames.requeue(tag))

    def close(self) -> None:
        """Give back what is not acknowledged, and disconnect, within some seconds."""
        try:
            cancel_ok = pika.spec.Basic.CancelOk
            self._connection.call(pika.spec.Basic.Cancel("c"), cancel_ok, timeout=CLOSE_TIMEOUT_SECONDS)
            self._connection.send(frames.requeue(0))
        except BrokerProblem:
            pass  # the broker gives everything out again when the connection is gone
        finally:
            self._connection.close()
