"""A lean connection to RabbitMQ with one channel, for the two streams that are hot.

One thread owns a connection and calls `receive` again and again; that also sends the
heartbeats.  Any thread may `send`.  The socket does not block: what it does not take at
once is kept and written by the owner.  Methods that are rare are encoded and decoded by
pika.
"""

import select
import socket
import ssl
from collections.abc import Sequence
from logging import getLogger
from threading import RLock
from time import monotonic
from typing import Any, Final, TypeAlias

import pika
import pika.frame
import pika.spec

from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.errors import (
    BrokerProblem,
    ChannelClosed,
    ConnectionLost,
    QueueMissing,
    refused,
    unreachable,
)
from swpt_accounts.broker.waker import Waker

from .addresses import address_of, parameters_of
from .frames import CHANNEL, HEARTBEAT, Confirm, Frame, FrameReader, Method, Returned

CONNECT_TIMEOUT_SECONDS: Final = 5.0
REPLY_TIMEOUT_SECONDS: Final = 5.0
CLOSE_TIMEOUT_SECONDS: Final = 2.0
HEARTBEAT_SECONDS: Final = 5
# There is one room for all reads: a block of this size for each of them, cut down to what has come, leaves
# a hole in the heap, and a worker grew by 5 MB in ten minutes of load.
_READ_BYTES: Final = 1 << 16
_FRAME_MAX: Final = 131072

_logger = getLogger(__name__)

_Content: TypeAlias = Delivery | Returned | Confirm


class Connection:
    """An open connection with channel 1 open on it; `name` is shown by the broker's tools.

    Raises CannotReach, WrongPassword, NoSuchVirtualHost or another BrokerProblem.  After
    any BrokerProblem from one of its methods, ChannelClosed apart, it is of no more use.
    """

    def __init__(self, amqp_url: str, name: str, waker: Waker) -> None:
        nodes = parameters_of(amqp_url)
        self._where = address_of(nodes)
        self._lock = RLock()
        self._unsent = bytearray()
        self._problem: BrokerProblem | None = None
        self._ready: list[_Content] = []
        self._replies: list[Any] = []
        self._awaited: tuple[type, ...] = ()
        self._heartbeat = 0.0
        self._reader = FrameReader()
        self._room = memoryview(bytearray(_READ_BYTES))
        self.frame_max = _FRAME_MAX
        self.blocked_reason: str | None = None
        self._waker = waker
        self._parameters, self._socket = self._reach(nodes)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._poll.register(waker.fileno(), select.POLLIN)
        self._last_sent = self._last_received = monotonic()
        try:
            self._handshake(name)
            self.open_channel()
        except BaseException:
            self._drop()
            raise

    # -- the stream ---------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Write whole frames, or keep them until the socket takes them.

        Raises ConnectionLost if the connection is gone, ChannelClosed if the channel is.
        """
        with self._lock:
            if self._problem is not None:
                raise self._problem
            self._push(data)

    @property
    def unsent_bytes(self) -> int:
        """How many bytes wait for the socket."""
        return len(self._unsent)

    def receive(self, timeout: float) -> Sequence[_Content]:
        """What has arrived; waits at most `timeout` seconds for the first of it.

        Returns early, with nothing, if the waker is set.  Raises ConnectionLost or
        ChannelClosed, when all that had arrived before has been returned.
        """
        if not self._ready and self._problem is None:
            try:
                self._pump(timeout)
            except BrokerProblem as problem:
                self._fail(problem)
        if self._ready:
            ready, self._ready = self._ready, []
            return ready
        if self._problem is not None:
            raise self._problem
        return ()

    def beat(self) -> None:
        """Send a heartbeat if one is due, without reading (the owner alone)."""
        if self._heartbeat and monotonic() - self._last_sent > self._heartbeat / 2:
            self.send(HEARTBEAT)

    def call(
        self, method: Any, reply: type, *, channel: int = CHANNEL, timeout: float = REPLY_TIMEOUT_SECONDS
    ) -> Any:
        """Send a rare method and wait for the reply to it (the owner alone)."""
        self._awaited = (reply,)
        self.send(pika.frame.Method(channel, method).marshal())
        return self._reply(timeout)

    def open_channel(self) -> None:
        """Open channel 1, the first time or after a ChannelClosed (the owner alone)."""
        if isinstance(self._problem, ChannelClosed):
            self._problem = None
        self.call(pika.spec.Channel.Open(), pika.spec.Channel.OpenOk)

    def close(self) -> None:
        """Say good-bye, if it can be done soon, and give the socket back."""
        try:
            if self._problem is None or isinstance(self._problem, ChannelClosed):
                self._problem = None
                good_bye = pika.spec.Connection.Close(200, "Good-bye", 0, 0)
                close_ok = pika.spec.Connection.CloseOk
                self.call(good_bye, close_ok, channel=0, timeout=CLOSE_TIMEOUT_SECONDS)
        except BrokerProblem as problem:
            _logger.debug("Closing a connection: %s", problem)
        finally:
            self._fail(ConnectionLost("the connection is closed"))
            self._drop()

    # -- the socket ---------------------------------------------------------------

    def _reach(
        self, nodes: Sequence[pika.URLParameters]
    ) -> tuple[pika.URLParameters, socket.socket | ssl.SSLSocket]:
        """The first node that can be reached."""
        for node in nodes:
            try:
                reached = _connect(node)
            except OSError as error:
                problem = error
            else:
                self._where = address_of([node])
                return node, reached
        raise unreachable(problem, self._where) from None

    def _pump(self, timeout: float) -> None:
        self._wait(timeout)
        with self._lock:
            if self._unsent:
                del self._unsent[: self._write(self._unsent)]
            data = self._read()
        now = monotonic()
        if data:
            self._last_received = now
            for frame in self._reader.feed(data):
                self._take(frame)
        elif self._heartbeat and now - self._last_received > 2 * self._heartbeat:
            raise ConnectionLost(f"the broker at {self._where} is silent")
        self.beat()

    def _wait(self, timeout: float) -> None:
        """Wait for the socket, for the waker, or until a heartbeat is due."""
        if self._heartbeat:
            timeout = min(timeout, self._heartbeat / 4)
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            timeout = 0
        wanted = select.POLLIN | select.POLLOUT if self._unsent else select.POLLIN
        self._poll.modify(self._socket, wanted)
        for descriptor, _ in self._poll.poll(max(0.0, timeout) * 1000):
            if descriptor == self._waker.fileno():
                self._waker.clear()

    def _push(self, data: bytes) -> None:
        with self._lock:
            if self._unsent:
                self._unsent += data
            else:
                sent = self._write(data)
                if sent < len(data):
                    self._unsent += memoryview(data)[sent:]
                    self._waker.set()

    def _read(self) -> bytes:
        try:
            size = self._socket.recv_into(self._room)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError, InterruptedError):
            return b""
        except OSError as error:
            raise self._lost(error) from None
        if not size:
            raise ConnectionLost(f"the broker at {self._where} closed the connection")
        return bytes(self._room[:size])

    def _write(self, data: bytes | bytearray) -> int:
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError, InterruptedError):
            return 0
        except OSError as error:
            problem = self._lost(error)
            self._fail(problem)
            raise problem from None
        self._last_sent = monotonic()
        return sent

    def _lost(self, error: OSError) -> ConnectionLost:
        reason = error.strerror or str(error)
        return ConnectionLost(f"the connection to the broker at {self._where} is lost: {reason}")

    def _fail(self, problem: BrokerProblem) -> None:
        if self._problem is None or isinstance(self._problem, ChannelClosed):
            self._problem = problem

    def _drop(self) -> None:
        with self._lock:
            self._fail(ConnectionLost("the connection is closed"))
            self._unsent.clear()
            self._socket.close()

    # -- the rare methods ---------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        if not isinstance(frame, Method):
            self._ready.append(frame)
            return
        try:
            index = int.from_bytes(frame.payload[:4], "big")
            method = pika.spec.methods[index]().decode(frame.payload, 4)
        except Exception as error:  # whatever a decoder may raise for odd bytes
            raise ConnectionLost(f"the broker sent a method that nobody can read: {error}") from None
        self._on_method(method)

    def _on_method(self, method: Any) -> None:
        """React to a method of the broker (those that are not hot)."""
        if isinstance(method, self._awaited):
            self._replies.append(method)
        elif isinstance(method, pika.spec.Connection.Close):
            self._fail(refused(method.reply_code, method.reply_text, self._where))
            self._push(pika.frame.Method(0, pika.spec.Connection.CloseOk()).marshal())
        elif isinstance(method, pika.spec.Channel.Close):
            self._push(pika.frame.Method(CHANNEL, pika.spec.Channel.CloseOk()).marshal())
            self._fail(ChannelClosed(method.reply_code, method.reply_text))
        elif isinstance(method, pika.spec.Basic.Cancel):
            self._fail(QueueMissing("the broker cancelled the consumer: its queue is gone or moved"))
        elif isinstance(method, pika.spec.Connection.Blocked):
            self.blocked_reason = str(method.reason)
            _logger.warning("The broker takes no messages for now: %s; they wait.", method.reason)
        elif isinstance(method, pika.spec.Connection.Unblocked):
            self.blocked_reason = None
            _logger.info("The broker takes messages again.")
        else:
            _logger.debug("Not awaited from the broker: %s", method)

    def _reply(self, timeout: float) -> Any:
        deadline = monotonic() + timeout
        while not self._replies:
            if self._problem is not None:
                raise self._problem
            if (left := deadline - monotonic()) <= 0:
                self._fail(ConnectionLost(f"the broker at {self._where} does not answer"))
                continue
            try:
                self._pump(left)
            except BrokerProblem as problem:
                self._fail(problem)
        self._awaited = ()
        return self._replies.pop()

    def _handshake(self, name: str) -> None:
        """Introduce ourselves, agree on limits, enter the virtual host."""
        connection = pika.spec.Connection
        self._awaited = (connection.Start,)
        self.send(pika.frame.ProtocolHeader().marshal())
        self._reply(REPLY_TIMEOUT_SECONDS)
        credentials = self._parameters.credentials
        tune = self.call(
            connection.StartOk(
                client_properties={
                    "product": "swpt_accounts",
                    "connection_name": name,
                    "capabilities": {
                        "authentication_failure_close": True,
                        "basic.nack": True,
                        "connection.blocked": True,
                        "consumer_cancel_notify": True,
                        "publisher_confirms": True,
                    },
                },
                mechanism="PLAIN",
                response=f"\0{credentials.username}\0{credentials.password}",
                locale="en_US",
            ),
            connection.Tune,
            channel=0,
        )
        self.frame_max = min(tune.frame_max or _FRAME_MAX, _FRAME_MAX)
        self._reader.frame_max = self.frame_max
        self._heartbeat = self._agreed_heartbeat(tune.heartbeat)
        tuned = connection.TuneOk(tune.channel_max, self.frame_max, int(self._heartbeat))
        self.send(pika.frame.Method(0, tuned).marshal())
        self.call(connection.Open(self._parameters.virtual_host), connection.OpenOk, channel=0)

    def _agreed_heartbeat(self, offered: int) -> float:
        """The shorter of both sides' wishes; 0 in the URL switches heartbeats off."""
        wanted = self._parameters.heartbeat
        if wanted is None:
            wanted = HEARTBEAT_SECONDS
        return float(min(wanted, offered) if offered and wanted else wanted)


def _connect(node: pika.URLParameters) -> socket.socket | ssl.SSLSocket:
    """Reach the port of a node, and put TLS on it if the URL says so."""
    plain = socket.create_connection((node.host, node.port), CONNECT_TIMEOUT_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    options = node.ssl_options
    secure = plain
    if options is not None:
        host = options.server_hostname or node.host
        secure = options.context.wrap_socket(plain, server_hostname=host)
    secure.setblocking(False)
    return secure
