"""What is sent to a node of shards, and between them: a message goes to the queue of its account's shard."""

from collections.abc import Callable, Sequence
from random import Random

from swpt_accounts.events import Envelope
from swpt_accounts.wire.messages import CONTENT_TYPE, Malformed
from swpt_accounts.wire.messages import decode as decode_incoming
from swpt_accounts.wire.routing import Realm, binary_key
from swpt_client.moments import Moment
from swpt_client.testing.network import Odds, Way

from .broker import Posted


class Line(Way[Posted]):
    """The way to a shard: its queue, and what is still under way to the broker."""

    def waiting(self) -> int:
        """How many messages are in the queue; who has taken one has it until it is acknowledged."""
        due = sum(at <= self._now() for at, _, _ in self._late)
        return len(self._waiting) + due

    def turn_back(self) -> list[Posted]:
        """What has not come to the broker yet, and takes another way."""
        late, self._late = sorted(self._late), []
        return [message for _, _, message in late]


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
        new_line: Callable[[], Line],
        happens: Callable[[str], bool],
    ) -> None:
        super().__init__(dice, now, odds)
        self.new_line = new_line
        """Makes the way to another shard."""
        self._lines: list[Line] = []
        self._bound: dict[Realm, Line] = {}
        self._happens = happens
        self._vouched: set[bytes] = set()

    # --- bindings ---------------------------------------------------------------------------------

    def bind(self, realm: Realm, line: Line) -> None:
        """Let a line have the messages for a realm, if it has not yet."""
        if line not in self._lines:
            self._lines.append(line)
        self._bound[realm] = line

    def unbind(self, realm: Realm) -> None:
        """Let nobody have them any more; what has not come to the broker yet goes where others are bound."""
        line = self._bound.pop(realm, None)
        for message in [] if line is None else line.turn_back():
            self._queue(message, self._key(message))

    def line_of(self, realm: Realm) -> Line:
        """Who has the messages for a realm."""
        return self._bound[realm]

    # --- messages ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many messages are on their way, or taken and not acknowledged."""
        return sum(map(len, self._lines))

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
        for realm, line in self._bound.items():
            is_bound = routing_key.startswith(realm.binding_key.removesuffix("#"))
            # A binding too many, as while a shard is split: the copy must do nothing.
            if is_bound or self._happens("stray copy"):
                line.put([message])

    def due_at(self) -> Moment | None:
        """When the next message arrives; None if none is on its way."""
        return min((at for line in self._lines if (at := line.due_at()) is not None), default=None)
