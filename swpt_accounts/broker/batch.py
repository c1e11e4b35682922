"""What one Dramatiq message carries: the deliveries that are worked on together."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from dramatiq import Message
from dramatiq.broker import MessageProxy

from .delivery import Delivery

TAKE_BATCH = "take_batch"
"""The name of the actor that takes a Batch."""


class Delivered(NamedTuple):
    """A delivery, and what the injected `decode` made of it, in the consumer's thread.

    If `decode` raised, which it should not, the exception stands in place of the message.
    """

    delivery: Delivery
    message: Any


class Batch:
    """Deliveries in the order of arrival.  Without `settle` they all come again."""

    def __init__(
        self, items: Sequence[Delivered], source: object = None, received_at: float | None = None
    ) -> None:
        assert items, "a batch holds one delivery or more"
        self.items = items
        self.source = source
        # When the first of them arrived, by the monotonic clock.
        self.received_at = received_at
        self.settled = False

    def settle(self) -> None:
        """Say that all effects of the batch are committed, so it may be acknowledged."""
        self.settled = True

    @property
    def last_tag(self) -> int:
        """The tag that acknowledges the batch, on the source that delivered it."""
        return self.items[-1].delivery.tag

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        first, last = self.items[0].delivery.tag, self.last_tag
        return f"<Batch of {len(self.items)}, tags {first} to {last}{', settled' if self.settled else ''}>"


class BatchMessage(MessageProxy):
    """A batch in the form that Dramatiq's worker passes on to the actor `take_batch`."""

    def __init__(self, queue_name: str, batch: Batch) -> None:
        super().__init__(
            Message(queue_name=queue_name, actor_name=TAKE_BATCH, args=(batch,), kwargs={}, options={})
        )
        self.batch = batch
