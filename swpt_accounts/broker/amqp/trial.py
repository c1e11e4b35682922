"""Whether RabbitMQ works for us: our queues are there, and what is published is taken."""

from time import monotonic
from typing import Final

import pika.frame
import pika.spec

from swpt_accounts.broker.errors import ChannelClosed, QueueMissing
from swpt_accounts.broker.state import BrokerState
from swpt_accounts.broker.topology import DEAD_SUFFIX
from swpt_accounts.broker.waker import Waker

from .connection import Connection
from .frames import CHANNEL, Confirm

_ANSWER_SECONDS: Final = 3.0
_ACCESS_REFUSED: Final = 403
_NOT_FOUND: Final = 404

# The default exchange has only one binding for each queue, by its name: this goes nowhere.
_NOWHERE: Final = "swpt_accounts.nowhere"
_MESSAGE: Final = b"".join(
    (
        pika.frame.Method(CHANNEL, pika.spec.Basic.Publish(routing_key=_NOWHERE)).marshal(),
        pika.frame.Header(CHANNEL, 0, pika.spec.BasicProperties()).marshal(),
    )
)


def ask_broker(amqp_url: str, queue: str) -> BrokerState:
    """What waits in our queues, and whether messages are taken.  Raises QueueMissing or a BrokerProblem."""
    waker = Waker()
    try:
        connection = Connection(amqp_url, "swpt_accounts: probe", waker)
        try:
            waiting = _count(connection, queue)
            if waiting is None:
                raise QueueMissing(f"queue missing: {queue}: run `swpt-accounts configure`")
            given_up = _count(connection, queue + DEAD_SUFFIX)
            return BrokerState(waiting, given_up, _refusal(connection))
        finally:
            connection.close()
    finally:
        waker.close()


def _count(connection: Connection, queue: str) -> int | None:
    """How many messages wait in a queue; None if it is missing."""
    try:
        declare = pika.spec.Queue.Declare(queue=queue, passive=True)
        return int(connection.call(declare, pika.spec.Queue.DeclareOk).message_count)
    except ChannelClosed as problem:
        if problem.code != _NOT_FOUND:
            raise
        connection.open_channel()
        return None


def _refusal(connection: Connection) -> str:
    """Why messages are not taken; empty text if they are, or if nobody may try.

    While publishers are blocked the first message of a connection is taken still; then the broker says why.
    """
    connection.call(pika.spec.Confirm.Select(), pika.spec.Confirm.SelectOk)
    for _ in range(2):
        connection.send(_MESSAGE)
        until = monotonic() + _ANSWER_SECONDS
        is_confirmed = False
        while not is_confirmed and not connection.blocked_reason:
            left = until - monotonic()
            if left <= 0:
                return f"it has not confirmed a message within {_ANSWER_SECONDS:g} s"
            try:
                is_confirmed = any(isinstance(frame, Confirm) for frame in connection.receive(left))
            except ChannelClosed as problem:
                if problem.code == _ACCESS_REFUSED:
                    return ""
                raise
        if connection.blocked_reason:
            return f"it takes no messages: {connection.blocked_reason}"
    return ""
