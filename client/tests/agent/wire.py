"""A transport whose other end is the test."""

from collections.abc import Callable, Sequence
from datetime import date
from threading import Condition
from time import monotonic
from typing import Any

import msgspec

from swpt_client.bindings import Binding
from swpt_client.messages import CONTENT_TYPE, ServerMessage
from swpt_client.moments import render
from swpt_client.transport.base import Delivery, Inbox, Publication

PATIENCE_SECONDS = 90.0


class Wire:
    """See transport.base.Transport."""

    def __init__(self, *, confirms: bool = True) -> None:
        self.is_connected = True
        self.confirms = confirms
        """Whether all that is published is confirmed at once."""
        self.bindings: Sequence[Binding] = ()
        self.published: list[Publication] = []
        self.acked: list[tuple[int, int]] = []
        self.events: list[str] = []
        self.channel = 1
        self._tag = 0
        self._inbox: Inbox | None = None
        self._changed = Condition()

    @property
    def inbox(self) -> Inbox:
        """Of the agent."""
        assert self._inbox is not None
        return self._inbox

    # --- what the agent calls ---------------------------------------------------------------------

    def start(self, inbox: Inbox, bindings: Sequence[Binding]) -> None:
        """Begin."""
        self._inbox = inbox
        self.bindings = bindings

    def publish(self, publications: Sequence[Publication]) -> None:
        """Take messages."""
        with self._changed:
            self.published += publications
            self._changed.notify_all()
        if self.confirms:
            self.inbox.settle([one.number for one in publications], None)

    def ack(self, channel: int, tag: int) -> None:
        """All up to a tag is stored."""
        with self._changed:
            self.acked.append((channel, tag))
            self._changed.notify_all()

    def pause(self) -> None:
        """Bring nothing."""
        self.events.append("pause")

    def resume(self) -> None:
        """Go on."""
        self.events.append("resume")

    def stop(self, timeout: float) -> None:
        """End."""
        self.events.append("stop")

    # --- what the test calls -----------------------------------------------------------------------

    def wait_until(self, condition: Callable[[], Any], what: str = "it") -> Any:
        """The first true value; looked for when something is published or acknowledged, and often."""
        deadline = monotonic() + PATIENCE_SECONDS
        with self._changed:
            while not (value := condition()):
                assert monotonic() < deadline, f"{what} does not happen"
                self._changed.wait(0.02)
        return value

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The bodies of all published messages of a type."""
        return [msgspec.json.decode(one.envelope.body) for one in self.published if one.envelope.type == kind]

    def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Wait until so many messages of a type were published; the last of them."""
        self.wait_until(lambda: len(self.sent(kind)) >= count, f"{kind} number {count}")
        return self.sent(kind)[count - 1]

    def deliver(self, *messages: ServerMessage) -> int:
        """Bring messages of the server; gives the tag of the last."""
        return self.deliver_raw(*((body_of(one), type(one).__name__) for one in messages))

    def deliver_raw(self, *bodies: tuple[bytes, str | None]) -> int:
        """Bring bodies with their types."""
        deliveries = []
        for body, kind in bodies:
            self._tag += 1
            deliveries.append(
                Delivery(body, CONTENT_TYPE, kind, "to_creditors", "00", self.channel, self._tag)
            )
        self.inbox.deliver(deliveries)
        return self._tag

    def wait_for_ack(self, tag: int) -> None:
        """Wait until all up to a tag is acknowledged."""
        self.wait_until(lambda: any(one >= tag for _, one in self.acked), f"the acknowledgement of {tag}")


def body_of(message: ServerMessage) -> bytes:
    """The JSON of a message, its moments as texts."""
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    for name, value in fields.items():
        if name in _MOMENTS:
            fields[name] = render(value)
        elif isinstance(value, date):
            fields[name] = value.isoformat()
    return msgspec.json.encode({"type": type(message).__name__, **fields})


_MOMENTS = {
    "ts",
    "config_ts",
    "prepared_at",
    "deadline",
    "final_interest_rate_ts",
    "last_change_ts",
    "last_interest_rate_change_ts",
    "last_config_ts",
    "last_transfer_committed_at",
    "committed_at",
}
