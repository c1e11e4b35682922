"""The Dramatiq actors: they only translate, and say what happens when a message comes twice."""

from collections.abc import Callable
from typing import Any

import dramatiq

from .broker import TAKE_BATCH, Batch


def declare_actors(broker: dramatiq.Broker, queue: str, process: Callable[[Batch], None]) -> None:
    """Declare the actors of the server on a broker, for messages that arrive through `queue`.

    The queue delivers batches, and `take_batch` takes them.  The other actors are names to
    send to: `actor.send(...)` publishes the message that the protocol defines, like any client
    would, with the name of the broker user as whom it has logged in, and it comes back in a batch.
    Their arguments are the fields of the message.
    """

    def actor(function: Callable[..., Any]) -> None:
        dramatiq.Actor(
            function,
            broker=broker,
            actor_name=function.__name__,
            queue_name=queue,
            priority=0,
            options={},
        )

    @actor
    def configure_account(**message: Any) -> None:
        """Twice: ignored, because it is not later than the last applied one (rule C1)."""
        raise _MustBeSentError

    @actor
    def prepare_transfer(**message: Any) -> None:
        """Twice: the same PreparedTransfer again while the transfer waits (rule P2).

        After its finalization a repetition is a new request, and the coordinator dismisses the surplus.
        """
        raise _MustBeSentError

    @actor
    def finalize_transfer(**message: Any) -> None:
        """Twice: ignored, because the prepared transfer is gone (rule F1)."""
        raise _MustBeSentError

    def take_batch(batch: Batch) -> None:
        """Twice: harmless, because each message in it is (rule S9)."""
        process(batch)

    take_batch.__name__ = TAKE_BATCH
    actor(take_batch)


class _MustBeSentError(NotImplementedError):
    """Messages are applied in batches, as they come from the queue."""

    def __init__(self) -> None:
        super().__init__("send it: messages are applied in batches, as they come from the queue")
