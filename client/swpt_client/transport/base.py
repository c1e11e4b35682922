"""What a transport does: it brings deliveries, and takes publications until they are settled."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from swpt_client.bindings import Binding
from swpt_client.messages import Envelope

UNANSWERED: Final = "unanswered"
"""The connection is gone, and nobody knows whether the broker has the message."""


class Delivery(msgspec.Struct, frozen=True):
    """A message as it has arrived."""

    body: bytes
    content_type: str | None
    type: str | None
    """The property of this name; None if it is missing."""
    exchange: str
    routing_key: str
    channel: int
    """Numbers the channel that has brought it; the tag is worth something there only."""
    tag: int
    is_repeated: bool = False
    """It may have been brought before."""


class Publication(msgspec.Struct, frozen=True):
    """A message that is to leave."""

    number: int
    """The agent's; it comes back when the publication is settled."""
    envelope: Envelope


class Inbox(Protocol):
    """What a transport tells an agent.  Any thread may call it, and it is quick."""

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Messages have arrived."""

    def settle(self, numbers: Sequence[int], reason: str | None) -> None:
        """Publications are confirmed (None), or must be kept, for a reason.

        `returned`: no queue takes them; `refused`: the broker does not; `unanswered`: the
        connection is gone.
        """

    def connect(self) -> None:
        """From now on publications are taken."""

    def lose(self, channel: int) -> None:
        """What a channel has brought and nobody has acknowledged will come again."""


class Transport(Protocol):
    """Brings deliveries, and takes publications.  It mends itself; nothing of it raises."""

    @property
    def is_connected(self) -> bool:
        """Whether publications are taken now."""

    def start(self, inbox: Inbox, bindings: Sequence[Binding]) -> None:
        """Begin; returns at once."""

    def publish(self, publications: Sequence[Publication]) -> None:
        """Take messages; each will be settled."""

    def ack(self, channel: int, tag: int) -> None:
        """All that a channel has brought up to a tag is stored."""

    def pause(self) -> None:
        """Bring nothing, and give back what is not acknowledged: the store is away."""

    def resume(self) -> None:
        """Go on."""

    def stop(self, timeout: float) -> None:
        """End within `timeout` seconds; what is not acknowledged will come again."""
