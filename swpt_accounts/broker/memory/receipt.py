"""A receipt: who publishes a message hears of it when everybody is done with it."""

from collections.abc import Callable, Iterable
from threading import Lock

from swpt_accounts.broker.settlement import Reason


class Receipt:
    """Settled once: when the last queue that the message has reached has acknowledged it, or none will.

    `on_settled` gets None, or why the message must be kept; it is called in the thread of the
    consumer, so it must be quick.
    """

    __slots__ = ("_left", "_lock", "_on_settled", "_reason", "is_on_its_way")

    def __init__(self, on_settled: Callable[[Reason | None], None]) -> None:
        self._on_settled = on_settled
        self._lock = Lock()
        self._left = 0
        self._reason: Reason | None = None
        self.is_on_its_way = False
        """Whether a queue has taken the message, so that the receipt will be settled."""

    def expect(self, queues: int) -> None:
        """The message has reached so many queues."""
        self._left = queues
        self.is_on_its_way = queues > 0

    def settle(self, reason: Reason | None) -> None:
        """One of the queues is done with the message, or has lost it for a reason."""
        with self._lock:
            assert self._left > 0, "a queue is done with a message once"
            self._left -= 1
            self._reason = self._reason or reason
            is_last = self._left == 0
        if is_last:
            self._on_settled(self._reason)


def settle_all(receipts: Iterable[Receipt], reason: Reason | None) -> None:
    """Settle receipts, outside of every lock of the transport."""
    for receipt in receipts:
        receipt.settle(reason)
