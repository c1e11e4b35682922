"""What operators do with the broker: declare, unbind, delete, count (rules.md#the-broker).

Rare things, so pika does them.  All functions raise BrokerProblem with one clear line.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger

import pika
import pika.exceptions

from swpt_accounts.broker.errors import BrokerProblem, QueueMissing, explained
from swpt_accounts.broker.topology import EXCHANGE_BINDINGS, EXCHANGES, Queue, queues
from swpt_accounts.events import ACCOUNTS_IN

from .addresses import address_of, pika_parameters
from .connection import CONNECT_TIMEOUT_SECONDS

_PRECONDITION_FAILED = 406
_NOT_FOUND = 404
_logger = getLogger(__name__)


@contextmanager
def connected(amqp_url: str) -> Iterator[pika.BlockingConnection]:
    """A connection of pika for a few rare commands; its errors come out as BrokerProblems."""
    nodes = pika_parameters(amqp_url, CONNECT_TIMEOUT_SECONDS)
    where = address_of(nodes)
    try:
        with pika.BlockingConnection(nodes) as connection:
            yield connection
    except (pika.exceptions.AMQPError, OSError) as error:
        raise explained(error, where) from None


def declare(amqp_url: str, queue: str, routing_key: str) -> list[str]:
    """Declare all exchanges, queues and bindings; idempotent.

    Returns a warning, which is logged as well, for each queue that exists already with
    other arguments; it is used as it is.  Raises ValueError for a queue name that is not ours.
    """
    wanted = queues(queue)
    with connected(amqp_url) as connection:
        _declare_exchanges(connection)
        warnings = [warning for one in wanted for warning in _declare_queue(connection, one)]
        channel = connection.channel()
        channel.queue_bind(queue, ACCOUNTS_IN, routing_key)
    for warning in warnings:
        _logger.warning("%s", warning)
    return warnings


def remove_binding(amqp_url: str, queue: str, routing_key: str) -> None:
    """Stop messages from `accounts_in` to a queue for a binding key; idempotent."""
    with connected(amqp_url) as connection:
        connection.channel().queue_unbind(queue, ACCOUNTS_IN, routing_key)


def delete_if_empty(amqp_url: str, queue: str) -> bool:
    """Delete a queue that holds no message and has no consumer; says whether it is gone.

    Raises QueueMissing if there is none.

    Quorum queues do not know the broker's own condition `if-empty`.  So unbind first:
    what arrives between the look and the deletion would be lost.
    """
    with connected(amqp_url) as connection:
        channel = connection.channel()
        try:
            found = channel.queue_declare(queue, passive=True).method
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == _NOT_FOUND:
                raise QueueMissing(f"there is no queue {queue}") from None
            raise
        if found.message_count or found.consumer_count:
            return False
        channel.queue_delete(queue)
        return True


def look_at_queue(amqp_url: str, queue: str) -> tuple[int, int] | None:
    """How many messages wait in a queue, those at consumers not counted, and how many consumers it has.

    None if there is no such queue.
    """
    with connected(amqp_url) as connection:
        try:
            found = connection.channel().queue_declare(queue, passive=True).method
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == _NOT_FOUND:
                return None
            raise
        return int(found.message_count), int(found.consumer_count)


def count_messages(amqp_url: str, queue: str) -> int:
    """How many messages wait in a queue, those at consumers not counted.  Raises QueueMissing."""
    with connected(amqp_url) as connection:
        try:
            found = connection.channel().queue_declare(queue, passive=True).method
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == _NOT_FOUND:
                raise QueueMissing(f"queue missing: {queue}: run `swpt-accounts configure`") from None
            raise
        return int(found.message_count)


def _declare_exchanges(connection: pika.BlockingConnection) -> None:
    channel = connection.channel()
    for exchange in EXCHANGES:
        try:
            channel.exchange_declare(exchange.name, exchange.type, durable=True)
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code != _PRECONDITION_FAILED:
                raise
            raise BrokerProblem(
                f"the exchange {exchange.name} exists in another form: {error.reply_text}"
            ) from None
    for binding in EXCHANGE_BINDINGS:
        channel.exchange_bind(binding.destination, binding.source, "", dict(binding.arguments))
    channel.close()


def _declare_queue(connection: pika.BlockingConnection, queue: Queue) -> list[str]:
    channel = connection.channel()
    try:
        channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != _PRECONDITION_FAILED:
            raise
        # The broker has closed the channel; on a new one, make sure that the queue is usable.
        connection.channel().queue_declare(queue.name, passive=True)
        return [
            f"the queue {queue.name} exists with other arguments and is used as it is: {error.reply_text}"
        ]
    channel.close()
    return []
