"""What the transport has told, until the worker takes it."""

from collections import deque
from collections.abc import Sequence
from threading import Condition, Event
from time import monotonic
from typing import Final

import msgspec

from swpt_client.store.base import OutboxRow
from swpt_client.transport.base import Delivery

_MOST_ROWS: Final = 100


class Told(msgspec.Struct):
    """What the worker takes at once."""

    deliveries: list[Delivery]
    settled: list[tuple[int, str | None]]
    """Numbers of publications, and why they must be kept; None if they are confirmed."""
    is_woken: bool = False
    """Somebody has stored what is to leave, or publications are taken again."""
    rows: list[OutboxRow] = []
    """Stored, and claimed for us: they leave at once."""
    followers: list[Event] = []
    """To be set when all that is due now has been looked at."""


class Inbox:
    """See transport.base.Inbox.  What it holds is bounded: deliveries by what the transport fetches in
    advance, settled publications by what the agent has in flight, and rows by `is_backed_up`."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._deliveries: deque[Delivery] = deque()
        self._settled: deque[tuple[int, str | None]] = deque()
        self._settled_since: float | None = None
        """When the oldest of the settled came, by `monotonic`; None if one of them is urgent."""
        self._is_woken = False
        self._rows: list[OutboxRow] = []
        self._followers: list[Event] = []

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Messages have arrived."""
        with self._condition:
            self._deliveries += deliveries
            self._condition.notify()

    def settle(self, numbers: Sequence[int], reason: str | None) -> None:
        """Publications are settled."""
        with self._condition:
            if reason is not None:
                self._settled_since = None
            elif not self._settled:
                self._settled_since = monotonic()
            self._settled += [(number, reason) for number in numbers]
            self._condition.notify()

    def connect(self) -> None:
        """Publications are taken."""
        self.wake()

    def lose(self, channel: int) -> None:
        """What a channel has brought will come again: it need not be processed twice."""
        with self._condition:
            self._deliveries = deque(one for one in self._deliveries if one.channel != channel)
            self._is_woken = True
            self._condition.notify()

    @property
    def is_backed_up(self) -> bool:
        """Whether so much is to be launched that more of it had better wait in the outbox."""
        return len(self._rows) >= _MOST_ROWS

    def launch(self, row: OutboxRow) -> None:
        """A row of the outbox is stored, and claimed for us."""
        with self._condition:
            self._rows.append(row)
            self._condition.notify()

    def wake(self) -> None:
        """Let the worker look around."""
        with self._condition:
            self._is_woken = True
            self._condition.notify()

    def follow(self) -> Event:
        """Let the worker look at what is due, now; the event is set when it has."""
        event = Event()
        with self._condition:
            self._followers.append(event)
            self._condition.notify()
        return event

    def take(self, most: int, timeout: float, linger: float = 0.0) -> Told:
        """The oldest deliveries, and all that is settled; waits at most `timeout` seconds for anything.

        With `most` = 0 deliveries stay where they are, and nobody waits for them.  Publications that
        are confirmed may wait `linger` seconds for company: the answer of the server, as a rule.
        """
        limit = monotonic() + timeout
        with self._condition:
            while not (self._is_woken or self._rows or self._followers or (self._deliveries and most)):
                now = monotonic()
                until = limit
                if self._settled:
                    since = self._settled_since
                    until = now if since is None else min(limit, since + linger)
                if until <= now:
                    break
                self._condition.wait(until - now)
            is_woken, self._is_woken = self._is_woken, False
            count = min(most, len(self._deliveries))
            rows, self._rows = self._rows, []
            followers, self._followers = self._followers, []
            told = Told(
                [self._deliveries.popleft() for _ in range(count)],
                list(self._settled),
                is_woken,
                rows,
                followers,
            )
            self._settled.clear()
            return told
