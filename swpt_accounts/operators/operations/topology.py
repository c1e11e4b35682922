"""Exchanges, queues and bindings for operators, with an audit row for each change (rules.md#the-broker)."""

from typing import Any

from swpt_accounts.broker.amqp import administration
from swpt_accounts.broker.errors import QueueMissing
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.shard_record import load_shard_record

from .orders import Order


def declare(connection: Any, amqp_url: str, queue: str, routing_key: str, *, order: Order) -> list[str]:
    """Declare everything that this shard needs; idempotent.  Returns warnings."""
    with connection, connection.cursor() as cursor:
        record = load_shard_record(cursor)
        if record is not None and record.split_begun_at is not None:
            raise OperatorError("this shard is being split: its queue gets no messages any more")
        order.write_down(cursor, "topology declare", f"queue {queue}", f"bound by {routing_key}")
        return administration.declare(amqp_url, queue, routing_key)


def unbind(connection: Any, amqp_url: str, queue: str, routing_key: str, *, order: Order) -> None:
    """Let no more messages from `accounts_in` into a queue by this key; idempotent."""
    with connection, connection.cursor() as cursor:
        order.write_down(cursor, "topology unbind", f"queue {queue}", f"binding {routing_key}")
        administration.remove_binding(amqp_url, queue, routing_key)


def delete_queue(connection: Any, amqp_url: str, queue: str, *, in_use: str, order: Order) -> None:
    """Delete a queue that is empty and that nobody consumes; raises OperatorError otherwise.

    The queue `in_use` is the one that the settings name: what is meant is never that one.
    """
    if queue == in_use:
        raise OperatorError(
            f"the queue {queue} is the one that PROTOCOL_BROKER_QUEUE names for this server:"
            " to delete it, use the settings of the servers that go on"
        )
    with connection, connection.cursor() as cursor:
        order.write_down(cursor, "topology delete-queue", f"queue {queue}")
        try:
            is_gone = administration.delete_if_empty(amqp_url, queue)
        except QueueMissing:
            raise OperatorError(f"there is no queue {queue}: nothing was deleted") from None
        if not is_gone:
            raise OperatorError(
                f"the queue {queue} holds messages, or somebody consumes it: unbind it, let its server work"
                " until it is empty, stop that, and try again"
            )
