"""A line to the broker that takes little of the machine: one channel, one thread, no recovery.

What is measured must not be the instrument.  So whatever comes by the thousand is copied and cut
here, and pika writes the rest: methods that are rare, and once per account the frames around a body.
"""

import select
import socket
from functools import lru_cache
from struct import Struct
from time import monotonic
from typing import Any, Final, TypeAlias

import pika
import pika.frame
import pika.spec

_CHANNEL: Final = 1
_TIMEOUT_SECONDS: Final = 10.0
_READ_BYTES: Final = 1 << 20
_FRAME_MAX: Final = 131072

_FRAME_HEAD: Final = Struct("!BHI").unpack_from
_TAG_AND_BIT: Final = Struct("!QB").unpack_from
_U64: Final = Struct("!Q")
_BODY_HEAD: Final = Struct("!BHI").pack
_METHOD, _HEADER, _BODY = 1, 2, 3
_DELIVER: Final = b"\x00\x3c\x00\x3c"
_ACK: Final = b"\x00\x3c\x00\x50"

# Where the size of the body stands in a content header frame: behind the head of the frame, the
# class and the weight.
_SIZE_AT: Final = 11

Headers: TypeAlias = tuple[tuple[str, int | str], ...]


class LineBroken(Exception):
    """The broker has said good-bye, or something that nobody here understands."""


@lru_cache(maxsize=1 << 18)
def _around(exchange: str, key: str, type_: str, headers: Headers, is_mandatory: bool) -> tuple[bytes, bytes]:
    """The frames of a message before and behind the size of its body."""
    publish = pika.spec.Basic.Publish(exchange=exchange, routing_key=key, mandatory=is_mandatory)
    properties = pika.BasicProperties(
        content_type="application/json",
        headers=dict(headers),
        delivery_mode=2,
        type=type_,
        app_id="swpt_accounts",
    )
    method = pika.frame.Method(_CHANNEL, publish).marshal()
    header = pika.frame.Header(_CHANNEL, 0, properties).marshal()
    return method + header[:_SIZE_AT], header[_SIZE_AT + _U64.size :]


def message(
    exchange: str,
    key: str,
    type_: str,
    headers: Headers,
    body: bytes,
    *,
    is_mandatory: bool = False,
) -> bytes:
    """The frames of one message; its body must fit into a frame."""
    before, behind = _around(exchange, key, type_, headers, is_mandatory)
    size = len(body)
    return b"".join((before, _U64.pack(size), behind, _BODY_HEAD(_BODY, _CHANNEL, size), body, b"\xce"))


class Line:
    """An open line.  Raises OSError or LineBroken, and is of no more use then."""

    def __init__(self, amqp_url: str) -> None:
        parameters = pika.URLParameters(amqp_url)
        self._socket = socket.create_connection((parameters.host, parameters.port), _TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._unsent: list[bytes] = []
        self._bodies: list[bytes] = []
        self._replies: list[Any] = []
        self.unsent_bytes = 0
        self.last_tag = 0
        """Of the last message that has arrived."""
        self.published = 0
        self.confirmed = 0
        """Up to which of the published messages the broker has confirmed, if asked to."""
        self._confirmed_singly: set[int] = set()
        self._introduce(parameters)

    # -- rare ----------------------------------------------------------------------------------

    def confirm(self) -> None:
        """Ask the broker to confirm what is published from now on."""
        self._call(pika.spec.Confirm.Select(), pika.spec.Confirm.SelectOk)

    def consume(self, queue: str, prefetch: int = 0) -> None:
        """Let messages come; with a prefetch they want to be acknowledged."""
        if prefetch:
            self._call(pika.spec.Basic.Qos(prefetch_count=prefetch), pika.spec.Basic.QosOk)
        consume = pika.spec.Basic.Consume(queue=queue, no_ack=not prefetch)
        self._call(consume, pika.spec.Basic.ConsumeOk)

    def close(self) -> None:
        """Hang up.  What is not written is lost."""
        self._socket.close()

    def _introduce(self, parameters: Any) -> None:
        connection = pika.spec.Connection
        self._socket.sendall(pika.frame.ProtocolHeader().marshal())
        self._await(connection.Start)
        credentials = parameters.credentials
        able = {"publisher_confirms": True, "basic.nack": True}
        start = connection.StartOk(
            client_properties={"product": "benchmarks of swpt_accounts", "capabilities": able},
            mechanism="PLAIN",
            response=f"\0{credentials.username}\0{credentials.password}",
            locale="en_US",
        )
        tune = self._call(start, connection.Tune, channel=0)
        # Without heartbeats: lines live for minutes, on one machine.
        agreed = connection.TuneOk(tune.channel_max, min(tune.frame_max or _FRAME_MAX, _FRAME_MAX), 0)
        self.push(pika.frame.Method(0, agreed).marshal())
        self._call(connection.Open(parameters.virtual_host), connection.OpenOk, channel=0)
        self._call(pika.spec.Channel.Open(), pika.spec.Channel.OpenOk)

    def _call(self, method: Any, reply: type, channel: int = _CHANNEL) -> Any:
        self.push(pika.frame.Method(channel, method).marshal())
        return self._await(reply)

    def _await(self, reply: type) -> Any:
        until = monotonic() + _TIMEOUT_SECONDS
        while True:
            self._turn(0.1)
            for one in self._replies:
                if isinstance(one, reply):
                    self._replies.remove(one)
                    return one
            if monotonic() > until:
                raise LineBroken(f"no {reply.__name__} from the broker")

    # -- by the thousand -----------------------------------------------------------------------

    def push(self, frames: bytes) -> None:
        """Write whole frames with the next turn."""
        self._unsent.append(frames)
        self.unsent_bytes += len(frames)

    def publish(self, frames: bytes) -> None:
        """Write the frames of a message (see `message`) with the next turn."""
        self.published += 1
        self.push(frames)

    def ack(self, tag: int) -> None:
        """Acknowledge everything up to this message."""
        self.push(b"\x01\x00\x01\x00\x00\x00\x0d" + _ACK + _U64.pack(tag) + b"\x01\xce")

    def flush(self) -> None:
        """Write what the socket takes at once."""
        if not self._unsent:
            return
        data = b"".join(self._unsent)
        try:
            sent = self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        rest = data[sent:]
        self._unsent = [rest] if rest else []
        self.unsent_bytes = len(rest)

    def turn(self, timeout: float) -> list[bytes]:
        """Write, read, and return the bodies that have arrived; waits at most `timeout` seconds for some."""
        self._turn(timeout)
        bodies, self._bodies = self._bodies, []
        return bodies

    def _turn(self, timeout: float) -> None:
        self.flush()
        sockets = [self._socket]
        if not select.select(sockets, sockets if self._unsent and timeout else (), (), timeout)[0]:
            return
        try:
            data = self._socket.recv(_READ_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if not data:
            raise LineBroken("the broker has hung up")
        self._cut(self._rest + data if self._rest else data)

    def _cut(self, data: bytes) -> None:
        at, end = 0, len(data)
        while end - at >= 8:
            kind, _, size = _FRAME_HEAD(data, at)
            start = at + 7
            stop = start + size
            if stop >= end:
                break
            if kind == _BODY:
                self._bodies.append(data[start:stop])
            elif kind == _METHOD:
                self._take(data, start, stop)
            at = stop + 1
        self._rest = data[at:]

    def _take(self, data: bytes, start: int, stop: int) -> None:
        method = data[start : start + 4]
        if method == _DELIVER:
            (self.last_tag,) = _U64.unpack_from(data, start + 5 + data[start + 4])
        elif method == _ACK:
            self._confirm(*_TAG_AND_BIT(data, start + 4))
        else:
            rare = pika.spec.methods[int.from_bytes(method, "big")]().decode(data[start:stop], 4)
            if isinstance(rare, pika.spec.Connection.Close | pika.spec.Channel.Close):
                raise LineBroken(f"{rare.reply_code} {rare.reply_text}")
            if isinstance(rare, pika.spec.Basic.Nack | pika.spec.Basic.Return):
                raise LineBroken("the broker did not take a message")
            self._replies.append(rare)

    def _confirm(self, tag: int, bits: int) -> None:
        if bits & 1:
            self.confirmed = max(self.confirmed, tag)
            if self._confirmed_singly:
                self._confirmed_singly = {one for one in self._confirmed_singly if one > tag}
        else:
            self._confirmed_singly.add(tag)
        while self.confirmed + 1 in self._confirmed_singly:
            self.confirmed += 1
            self._confirmed_singly.remove(self.confirmed)
