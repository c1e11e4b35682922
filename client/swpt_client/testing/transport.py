"""The transport of an agent in a test: over the ways of a network, to a server in memory."""

from collections.abc import Sequence
from random import Random
from threading import RLock

from swpt_accounts.events import Envelope as ServerEnvelope
from swpt_client.bindings import Binding
from swpt_client.messages import CONTENT_TYPE
from swpt_client.moments import HOUR, Moment
from swpt_client.transport.base import Delivery, Inbox, Publication

from .clock import Clock
from .network import PERFECT, Odds, Way
from .server import MemoryServer

_EXCHANGES = ("to_creditors", "to_debtors", "to_coordinators")


class Network:
    """Two ways between an agent and a server; a transport for the agent (see transport.base.Transport).

    Nothing happens by itself: `run` carries what is on its way, in the thread of the test.  An
    agent in its own thread answers when it likes, so a test waits for the agent, and runs again.
    """

    def __init__(
        self,
        clock: Clock,
        server: MemoryServer,
        *,
        seed: int = 0,
        to_server: Odds = PERFECT,
        to_client: Odds = PERFECT,
    ) -> None:
        dice = Random(seed)  # noqa: S311 - it must be the same again
        self.server = server
        self.to_server: Way[tuple[bytes, str]] = Way(dice, lambda: clock.now, to_server)
        self.to_client: Way[tuple[bytes, str, str, str]] = Way(dice, lambda: clock.now, to_client)
        self._clock = clock
        self._work_at: Moment = 0
        self._lock = RLock()
        self._inbox: Inbox | None = None
        self._is_paused = False
        self._channel = 1
        self._tag = 0
        self._open: dict[int, int] = {}
        """Tags of deliveries that are not acknowledged, and their tags on the way."""

    # --- what an agent calls ----------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether publications are taken now."""
        return self._inbox is not None and not self.to_server.is_cut

    def start(self, inbox: Inbox, bindings: Sequence[Binding]) -> None:
        """Begin.  There is one client; all that the server says is for it."""
        assert {one.exchange for one in bindings} <= set(_EXCHANGES), "the exchanges of the protocol"
        self._inbox = inbox
        inbox.connect()

    def publish(self, publications: Sequence[Publication]) -> None:
        """Take messages; they are confirmed at once, as by a broker, whatever happens behind it."""
        with self._lock:
            self.to_server.put([(one.envelope.body, one.envelope.type) for one in publications])
        assert self._inbox is not None, "a transport is started before it is used"
        self._inbox.settle([one.number for one in publications], None)

    def ack(self, channel: int, tag: int) -> None:
        """All that a channel has brought up to a tag is stored."""
        with self._lock:
            if channel == self._channel:
                self.to_client.ack([self._open.pop(one) for one in sorted(self._open) if one <= tag])

    def pause(self) -> None:
        """Bring nothing, and take back what is not acknowledged."""
        with self._lock:
            self._is_paused = True
            self._take_back()

    def resume(self) -> None:
        """Go on."""
        self._is_paused = False

    def stop(self, timeout: float) -> None:
        """What is not acknowledged comes again to the next agent."""
        with self._lock:
            self._inbox = None
            self._take_back()

    def _take_back(self) -> None:
        self._open.clear()
        self.to_client.give_back()
        self._channel += 1
        if self._inbox is not None:
            self._inbox.lose(self._channel - 1)

    # --- what a test calls ------------------------------------------------------------------------

    def cut(self) -> None:
        """Nothing arrives any more, in either direction; what is sent waits."""
        self.to_server.is_cut = self.to_client.is_cut = True

    def mend(self) -> None:
        """The ways are open again."""
        self.to_server.is_cut = self.to_client.is_cut = False
        if self._inbox is not None:
            self._inbox.connect()

    def run(self, most: int = 500) -> int:
        """Let the server take what has arrived, and the agent get what has; says how many messages moved.

        The server does its periodic work as well, once an hour.
        """
        with self._lock:
            taken = self.to_server.take(most)
            if taken:
                self.server.take([message for _, message in taken])
                self.to_server.ack([tag for tag, _ in taken])
            if self._clock.now >= self._work_at:
                self._work_at = self._clock.now + HOUR
                self.server.work()
            else:
                self.server.announce()
            self.server.send(self._put)
            return len(taken) + self._deliver(most)

    def _put(self, envelopes: Sequence[ServerEnvelope]) -> None:
        self.to_client.put([(one.body, one.type, one.exchange, one.routing_key) for one in envelopes])

    def _deliver(self, most: int) -> int:
        if self._inbox is None or self._is_paused:
            return 0
        deliveries = []
        for way_tag, (body, kind, exchange, routing_key) in self.to_client.take(most):
            self._tag += 1
            self._open[self._tag] = way_tag
            deliveries.append(
                Delivery(
                    body=body,
                    content_type=CONTENT_TYPE,
                    type=kind,
                    exchange=exchange,
                    routing_key=routing_key,
                    channel=self._channel,
                    tag=self._tag,
                )
            )
        if deliveries:
            self._inbox.deliver(deliveries)
        return len(deliveries)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is on its way, or waits for an acknowledgement."""
        with self._lock:
            return not len(self.to_server) and not len(self.to_client) and not self.server.outbox
