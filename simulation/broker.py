"""A broker that follows from the seed: it doubles, delays and shuffles, drops connections, refuses, returns.

The queues are the ways of the client's tests; here are those who publish to them, and who take from them.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from swpt_accounts.broker.delivery import CONTENT_TYPE as CONTENT_TYPE_FLAG
from swpt_accounts.broker.delivery import HEADERS as HEADERS_FLAG
from swpt_accounts.broker.delivery import TYPE as TYPE_FLAG
from swpt_accounts.broker.delivery import USER_ID as USER_ID_FLAG
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.settlement import OnSettled, Reason, Settlement
from swpt_accounts.events import Envelope, PendingBalanceChange
from swpt_accounts.wire.messages import CONTENT_TYPE
from swpt_client.moments import Moment
from swpt_client.testing.network import Way

from .actors import current, step

Posted = tuple[bytes, str]
"""Body and type of a message."""

CREDIT: Final = PendingBalanceChange.__name__
"""The type of what one shard sends to another."""

_EXCHANGE: Final = "smp"


def delivery(tag: int, posted: Posted, count: int, user: str = "") -> Delivery:
    """A message as a quorum queue delivers it, after so many times before; the broker vouches for `user`."""
    body, kind = posted
    table = b"\x10x-delivery-countl" + count.to_bytes(8, "big")
    properties = (
        (CONTENT_TYPE_FLAG | HEADERS_FLAG | TYPE_FLAG | (USER_ID_FLAG if user else 0)).to_bytes(2, "big")
        + _short(CONTENT_TYPE)
        + len(table).to_bytes(4, "big")
        + table
        + _short(kind)
        + (_short(user) if user else b"")
    )
    return Delivery(
        tag=tag,
        exchange=_EXCHANGE,
        routing_key="",
        redelivered=count > 0,
        properties=properties,
        body=body,
        body_size=len(body),
    )


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes([len(raw)]) + raw


class Queue:
    """The queue of the server, from which several workers take."""

    def __init__(self, way: Way[Posted]) -> None:
        self._way = way
        self._counts: Counter[int] = Counter()
        self.delivered: Callable[[Posted], None] = lambda _posted: None
        """Is told of each message that a worker gets."""
        self.user_of: Callable[[Posted], str] = lambda _posted: ""
        """For whom the broker vouches as the sender of a message."""

    def has_some(self) -> bool:
        """Whether a message has arrived."""
        due_at = self._way.due_at()
        return due_at is not None and due_at <= self._way.now()

    def take(self, most: int) -> list[Delivery]:
        """Messages that have arrived."""
        taken = self._way.take(most)
        for _, posted in taken:
            self.delivered(posted)
        return [delivery(tag, posted, self._counts[tag], self.user_of(posted)) for tag, posted in taken]

    def ack(self, tags: Sequence[int]) -> None:
        """Taken messages are done with."""
        self._way.ack(tags)

    def give_back(self, tags: Sequence[int]) -> None:
        """Taken messages come again."""
        self._counts.update(tags)
        self._way.give_back(tags)


class Broker:
    """Carries what is published, or does not, as its faults are."""

    def __init__(
        self,
        dice: Random,
        odds: Callable[[str], float],
        clock: Callable[[], Moment],
        post: Callable[[Envelope], None],
    ) -> None:
        self._dice = dice
        self._odds = odds
        self._clock = clock
        self._post = post
        self.away_until: Moment = 0
        self.counts: Counter[str] = Counter()

    @property
    def is_up(self) -> bool:
        """Whether it can be talked to."""
        return self._clock() >= self.away_until

    def carry(self, envelopes: Sequence[Envelope]) -> list[tuple[int, Reason]]:
        """Put messages into their queues; gives those that are to be kept, with the reasons."""
        kept: list[tuple[int, Reason]] = []
        for index, envelope in enumerate(envelopes):
            reason = self._reason(envelope)
            # Of what is not answered nobody knows; it may have arrived.
            if reason is None or (reason == "unanswered" and self._dice.random() < 0.5):
                self._post(envelope)
            if reason is not None:
                self.counts[reason] += 1
                kept.append((index, reason))
        return kept

    def _reason(self, envelope: Envelope) -> Reason | None:
        if self._dice.random() < self._odds("lose confirm"):
            return "unanswered"
        if self._dice.random() < self._odds("nack"):
            return "nacked"
        if envelope.mandatory and self._dice.random() < self._odds("return"):
            return "returned"
        return None


class SteppedPublisher:
    """See settlement.Publisher; what the broker does with it are steps of `work`."""

    def __init__(self, broker: Broker, confirm_seconds: float, monotonic: Callable[[], float]) -> None:
        self._broker = broker
        self._confirm_seconds = confirm_seconds
        self._monotonic = monotonic
        self._jobs: deque[tuple[Sequence[Envelope], OnSettled]] = deque()
        self._pending = 0

    def start(self) -> None:
        """There is nothing to connect to."""

    def publish(self, envelopes: Sequence[Envelope], on_settled: OnSettled) -> None:
        """Hand envelopes over, and come to a step."""
        self._jobs.append((envelopes, on_settled))
        self._pending += len(envelopes)
        step("handed over")

    def pending(self) -> int:
        """How many envelopes are not settled yet."""
        return self._pending

    def idle(self) -> bool:
        """Whether everything is settled."""
        return self._pending == 0

    @property
    def is_connected(self) -> bool:
        """Whether messages can be published now."""
        return self._broker.is_up

    def stop(self, timeout: float) -> None:
        """It ends with its process."""

    def work(self) -> None:
        """Carry what is handed over, one after the other; the body of an actor."""
        actor = current()
        assert actor is not None, "it works as an actor"
        while True:
            actor.sleep("publisher", lambda: bool(self._jobs))
            envelopes, on_settled = self._jobs.popleft()
            kept: list[tuple[int, Reason]]
            if self._broker.is_up:
                step("publish")
                kept = self._broker.carry(envelopes)
                step("published")
            else:
                until = self._monotonic() + self._confirm_seconds
                actor.sleep("not answered", lambda until=until: self._monotonic() >= until)  # type: ignore[misc]
                kept = [(index, "unanswered") for index in range(len(envelopes))]
            self._pending -= len(envelopes)
            on_settled(Settlement(kept))
            step("settled")
