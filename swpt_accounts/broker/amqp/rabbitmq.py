"""The SMP broker on RabbitMQ."""

from collections.abc import Sequence
from threading import Lock

import pika
import pika.exceptions
from dramatiq import Middleware

from swpt_accounts.broker.consumer import Intake, Source
from swpt_accounts.broker.errors import NotRouted, explained
from swpt_accounts.broker.smp_broker import SmpBroker
from swpt_accounts.broker.waker import Waker
from swpt_accounts.events import Envelope

from . import administration
from .addresses import address_of, parameters_of, pika_parameters
from .connection import CONNECT_TIMEOUT_SECONDS
from .publisher import RabbitmqPublisher
from .subscription import Subscription


class RabbitmqSmpBroker(SmpBroker):
    """See smp_broker.SmpBroker.  Connects when it is used, not when it is made."""

    def __init__(self, amqp_url: str, intake: Intake, middleware: Sequence[Middleware] = ()) -> None:
        super().__init__(intake, middleware)
        self._amqp_url = amqp_url
        self._user = ""
        self._lock = Lock()
        self._connection: pika.BlockingConnection | None = None
        self._channel: pika.adapters.blocking_connection.BlockingChannel | None = None

    def close(self) -> None:
        """Close the connection that `enqueue` has opened, if any."""
        with self._lock:
            self._disconnect()

    def declare_topology(self, queue: str, routing_key: str) -> list[str]:
        """See smp_broker and administration.declare."""
        return administration.declare(self._amqp_url, queue, routing_key)

    def make_publisher(self, *, internal_user: str = "", confirm_timeout: float = 30.0) -> RabbitmqPublisher:
        """A publisher with a connection and a thread of its own."""
        return RabbitmqPublisher(self._amqp_url, internal_user=internal_user, confirm_timeout=confirm_timeout)

    def count_messages(self, queue: str) -> int:
        """See administration.count_messages."""
        return administration.count_messages(self._amqp_url, queue)

    def _open_source(self, queue_name: str, waker: Waker) -> Source:
        return Subscription(self._amqp_url, queue_name, self._intake.prefetch_count, waker)

    def _send(self, envelope: Envelope) -> None:
        """Publish by pika: sending is rare here, and its confirms come one by one."""
        with self._lock:
            try:
                self._publish(envelope)
            except pika.exceptions.UnroutableError:
                raise NotRouted(f"no queue takes {envelope.type} to {envelope.exchange}") from None
            except pika.exceptions.NackError:
                raise NotRouted(f"the broker refused {envelope.type} to {envelope.exchange}") from None
            except (pika.exceptions.AMQPError, OSError):
                # A connection that was idle for long is dead: once more on a new one.
                self._disconnect()
                try:
                    self._publish(envelope)
                except (pika.exceptions.AMQPError, OSError) as error:
                    self._disconnect()
                    raise explained(error, address_of(parameters_of(self._amqp_url))) from None

    def _publish(self, envelope: Envelope) -> None:
        if self._channel is None:
            nodes = pika_parameters(self._amqp_url, CONNECT_TIMEOUT_SECONDS)
            self._connection = pika.BlockingConnection(nodes)
            self._user = nodes[0].credentials.username
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        self._channel.basic_publish(
            envelope.exchange,
            envelope.routing_key,
            envelope.body,
            pika.BasicProperties(
                content_type="application/json",
                headers={
                    "message-type": envelope.type,
                    "debtor-id": envelope.debtor_id,
                    "creditor-id": envelope.creditor_id,
                },
                delivery_mode=2,
                type=envelope.type,
                # A table of peers asks for it; the broker lets nobody use another name.
                user_id=self._user,
                app_id="swpt_accounts",
            ),
            mandatory=True,
        )

    def _disconnect(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except (pika.exceptions.AMQPError, OSError) as error:
                self.logger.debug("Closing the connection of enqueue: %s", error)
