"""One connection from its beginning to its end; the transport begins the next one.

Everything here happens in the thread of the transport, except `call` and `publish`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from logging import getLogger
from threading import Lock
from time import monotonic
from typing import Any, Final, TypeAlias

import pika
from pika.adapters.select_connection import IOLoop
from pika.exceptions import AMQPError, ChannelClosedByBroker
from pika.spec import BasicProperties

from swpt_client.bindings import Binding
from swpt_client.messages import CONTENT_TYPE
from swpt_client.transport.base import Delivery, Inbox, Publication

from .connection import JoiningConnection
from .unconfirmed import Unconfirmed

_Step: TypeAlias = Callable[[Callable[[Any], None]], None]
"""Asks the broker for something; the callback is called with its answer."""

_logger = getLogger(__name__)
_PERSISTENT: Final = 2
_READY_SECONDS: Final = 10.0
"""A broker that has just started may take a connection, and then not answer for ever."""
_END_SECONDS: Final = 2.0
_PRECONDITION_FAILED: Final = 406
_APP_ID: Final = "swpt_client"


class Topology:
    """The client's queues, and where their messages come from."""

    def __init__(self, queue: str, bindings: Sequence[Binding], prefetch_count: int) -> None:
        self.queue = queue
        self.bindings = bindings
        self.prefetch_count = prefetch_count
        self.is_foreign = False
        """Somebody has declared the queues in another way: they are used as they are."""

    def queues(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and arguments; the second queue takes what the broker itself gives up."""
        dead = f"{self.queue}.XQ"
        return [
            (dead, {"x-queue-type": "quorum"}),
            (
                self.queue,
                {
                    "x-queue-type": "quorum",
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": dead,
                },
            ),
        ]


class Life:
    """One connection with one channel.  `run` returns when it has ended."""

    def __init__(
        self,
        parameters: pika.URLParameters,
        topology: Topology,
        inbox: Inbox,
        number: int,
        user_id: str | None = None,
    ) -> None:
        self._topology = topology
        self._user_id = user_id
        self._inbox = inbox
        self._number = number
        self._unconfirmed = Unconfirmed(inbox)
        self._lock = Lock()
        self._has_ended = False
        self._is_ending = False
        self._handed: deque[Publication] = deque()
        self._loop = IOLoop()
        self._channel: Any = None
        self._steps: list[tuple[str, _Step]] = []
        self._step = "the connection"
        self.ready_at: float | None = None
        """Since when messages travel, on the monotonic clock."""
        self.is_ready = False
        self.problem = ""
        self._connection: Any = None
        # Whoever ends while it begins must give its sockets back: so it says.
        self._beginning = JoiningConnection.create_connection(
            [parameters], on_done=self._begun, custom_ioloop=self._loop
        )

    def run(self) -> None:
        """Live."""
        self._loop.call_later(_READY_SECONDS, self._check_ready)
        try:
            self._loop.start()
        finally:
            self.is_ready = False
            with self._lock:
                self._has_ended = True
                self._loop.close()
            self._publish_handed()
            self._unconfirmed.lose()
            self._inbox.lose(self._number)

    def call(self, work: Callable[[], None]) -> None:
        """Do something in the thread of the connection; nothing, if that has ended."""
        with self._lock:
            if not self._has_ended:
                self._loop.add_callback_threadsafe(work)

    def publish(self, publications: Sequence[Publication]) -> bool:
        """Take messages; each will be settled by the broker's answer, or by the end.

        False if it is too late.
        """
        with self._lock:
            if self._has_ended:
                return False
            self._handed += publications
            self._loop.add_callback_threadsafe(self._publish_handed)
            return True

    # --- what is done in the thread of the connection ----------------------------------------------

    def _publish_handed(self) -> None:
        if self._connection is None or not self._handed:
            self._refuse_handed()
            return
        with self._connection.in_one_piece():
            while self._handed and self.is_ready and self._channel.is_open:
                self._publish_one(self._handed.popleft())
        self._refuse_handed()

    def _refuse_handed(self) -> None:
        """What could not leave; nothing, as a rule."""
        while self._handed:
            self._inbox.settle([self._handed.popleft().number], "unanswered")

    def _publish_one(self, one: Publication) -> None:
        envelope = one.envelope
        tag = self._unconfirmed.add(one.number)
        properties = BasicProperties(
            content_type=CONTENT_TYPE,
            type=envelope.type,
            delivery_mode=_PERSISTENT,
            app_id=_APP_ID,
            headers=envelope.headers,
            message_id=str(tag),
            user_id=self._user_id,
        )
        self._channel.basic_publish(
            envelope.exchange, envelope.routing_key, envelope.body, properties, mandatory=True
        )

    def ack(self, tag: int) -> None:
        """All up to the tag is stored."""
        if self.is_ready and self._channel.is_open:
            self._channel.basic_ack(tag, multiple=True)

    def end(self) -> None:
        """Say good-bye; twice is harmless."""
        self.is_ready = False
        if self._is_ending:
            return
        self._is_ending = True
        self._loop.call_later(_END_SECONDS, self._loop.stop)
        if self._connection is None:
            self._beginning.abort()
        elif self._connection.is_open:
            self._connection.close()

    def _check_ready(self) -> None:
        if self.ready_at is None:
            self.problem = self.problem or f"no answer within {_READY_SECONDS:.0f} s to {self._step}"
            self.end()

    # --- how it begins -----------------------------------------------------------------------------

    def _begun(self, result: Any) -> None:
        if isinstance(result, BaseException):
            self.problem = self.problem or describe(result)
            self._loop.stop()
            return
        self._connection = result
        result.add_on_close_callback(self._closed)
        result.channel(on_open_callback=self._begin)

    def _begin(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._channel_closed)
        channel.add_on_return_callback(self._returned)
        topology = self._topology
        prefetch_count = topology.prefetch_count
        self._steps = [
            ("confirm.select", lambda go_on: channel.confirm_delivery(self._answered, callback=go_on)),
            *(
                (f"the declaration of {name}", self._declaration(name, how))
                for name, how in topology.queues()
            ),
            *((f"the binding to {one.exchange}", self._binding(one)) for one in topology.bindings),
            ("basic.qos", lambda go_on: channel.basic_qos(prefetch_count=prefetch_count, callback=go_on)),
            (
                f"the subscription to {topology.queue}",
                lambda go_on: channel.basic_consume(topology.queue, self._delivered, callback=go_on),
            ),
        ]
        self._go_on(None)

    def _declaration(self, name: str, arguments: dict[str, Any]) -> _Step:
        passive = self._topology.is_foreign
        return lambda go_on: self._channel.queue_declare(
            name, passive=passive, durable=True, arguments=None if passive else arguments, callback=go_on
        )

    def _binding(self, one: Binding) -> _Step:
        return lambda go_on: self._channel.queue_bind(
            self._topology.queue, one.exchange, one.routing_key, dict(one.arguments) or None, callback=go_on
        )

    def _go_on(self, _reply: Any) -> None:
        if self._steps:
            self._step, begin = self._steps.pop(0)
            begin(self._go_on)
            return
        self.is_ready = True
        self.ready_at = monotonic()
        _logger.info("Connected to the broker, queue %s", self._topology.queue)
        self._inbox.connect()

    # --- what the broker says ----------------------------------------------------------------------

    def _delivered(self, _channel: Any, method: Any, properties: Any, body: bytes) -> None:
        delivery = Delivery(
            body=body,
            content_type=properties.content_type,
            type=properties.type,
            exchange=method.exchange,
            routing_key=method.routing_key,
            channel=self._number,
            tag=method.delivery_tag,
            is_repeated=method.redelivered,
        )
        self._inbox.deliver([delivery])

    def _answered(self, frame: Any) -> None:
        method = frame.method
        is_ack = isinstance(method, pika.spec.Basic.Ack)
        self._unconfirmed.answer(method.delivery_tag, is_multiple=method.multiple, is_ack=is_ack)

    def _returned(self, _channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        self._unconfirmed.return_(int(properties.message_id))

    # --- how it ends ---------------------------------------------------------------------------------

    def _channel_closed(self, _channel: Any, reason: Exception) -> None:
        self.is_ready = False
        if isinstance(reason, ChannelClosedByBroker):
            self.problem = f"{reason.reply_code} {reason.reply_text}"
            if reason.reply_code == _PRECONDITION_FAILED and not self._topology.is_foreign:
                self._topology.is_foreign = True
        self.end()

    def _closed(self, _connection: Any, reason: Any) -> None:
        self.is_ready = False
        self.problem = self.problem or describe(reason)
        self._loop.stop()


def describe(error: Any) -> str:
    """An exception of pika in one line; some have no words of their own."""
    if isinstance(error, AMQPError) and getattr(error, "args", None):
        inner = error.args[0]
        if isinstance(inner, BaseException):
            return describe(inner)
    inner = getattr(error, "exceptions", None) or getattr(error, "exception", None)
    if isinstance(inner, (list, tuple)) and inner:
        inner = inner[-1]
    if isinstance(inner, BaseException):
        return describe(inner)
    return str(error) or type(error).__name__
