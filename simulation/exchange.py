"""What is sent to a node of shards, and between them: a message goes to the queue of its account's shard."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from swpt_accounts.events import Envelope
from swpt_accounts.wire.messages import CONTENT_TYPE, Malformed
from swpt_accounts.wire.messages import decode as decode_incoming
from swpt_accounts.wire.routing import Realm, binary_key
from swpt_client.moments import Moment
from swpt_client.testing.network import Odds, Way

from .broker import Posted


class Exchange(Way[Posted]):
    """The ways of all shards as one.

    What clients send may be lost before it is in a queue; what a shard sends is not, and the broker vouches
    for it.
    """

    def __init__(
        self,
        dice: Random,
        now: Callable[[], Moment],
        odds: Odds,
        ways: Mapping[Realm, Way[Posted]],
        happens: Callable[[str], bool],
    ) -> None:
        super().__init__(dice, now, odds)
        self._ways = ways
        self._happens = happens
        self._vouched: set[bytes] = set()

    def __len__(self) -> int:
        """How many messages are on their way, or taken and not acknowledged."""
        return sum(map(len, self._ways.values()))

    def put(self, messages: Sequence[Posted]) -> None:
        """Send messages of clients, and of others."""
        for message in messages:
            self.counts["sent"] += 1
            if self._dice.random() < self.odds.lost:
                self.counts["lost"] += 1
            else:
                self._queue(message, self._key(message))

    def forward(self, envelope: Envelope) -> None:
        """A message of one shard for another."""
        self._vouched.add(envelope.body)
        self.counts["credits"] += 1
        self._queue((envelope.body, envelope.type), envelope.routing_key)

    def is_vouched(self, posted: Posted) -> bool:
        """Whether the server itself has sent it."""
        return posted[0] in self._vouched

    def _key(self, message: Posted) -> str:
        decoded = decode_incoming(message[0], CONTENT_TYPE, message[1])
        if isinstance(decoded, Malformed):
            return binary_key(self._dice.randrange(100), 0)
        return binary_key(decoded.debtor_id, decoded.creditor_id)

    def _queue(self, message: Posted, routing_key: str) -> None:
        for realm, way in self._ways.items():
            is_bound = routing_key.startswith(realm.binding_key.removesuffix("#"))
            # A binding too many, as while a shard is split: the copy must do nothing.
            if is_bound or self._happens("stray copy"):
                way.put([message])

    def due_at(self) -> Moment | None:
        """When the next message arrives; None if none is on its way."""
        return min((at for way in self._ways.values() if (at := way.due_at()) is not None), default=None)
