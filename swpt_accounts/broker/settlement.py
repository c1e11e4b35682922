"""Publishing, as its users see it: envelopes in, one settlement out (rules.md#publishing)."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from swpt_accounts.events import Envelope

Reason: TypeAlias = Literal["returned", "nacked", "unanswered"]
"""Why a message must be kept: no queue wanted it; the broker refused it; no answer in time."""


class Settlement(msgspec.Struct, frozen=True):
    """The broker's final answer for the envelopes of one `publish`."""

    unsettled: list[tuple[int, Reason]]
    """The envelopes to keep, by index, in order; all others are safely in the broker."""


OnSettled: TypeAlias = Callable[[Settlement], None]


class Publisher(Protocol):
    """Publishes envelopes and reports what became of them; delivers at least once."""

    def start(self) -> None:
        """Begin to connect; `publish` does it as well."""

    def publish(self, envelopes: Sequence[Envelope], on_settled: OnSettled) -> None:
        """Hand envelopes over, from any thread, without waiting for the broker.

        Blocks only while too much is unanswered.  `on_settled` is called once, in the
        publisher's own thread (so it must be quick, and must not publish), at the latest
        when the confirm timeout is over.
        """

    def pending(self) -> int:
        """How many envelopes are not settled yet."""

    def idle(self) -> bool:
        """Whether everything is settled."""

    @property
    def is_connected(self) -> bool:
        """Whether messages can be published now."""

    def stop(self, timeout: float) -> None:
        """Publish what is there, for at most `timeout` seconds; the rest is settled as unanswered."""
