"""What a broker says about itself when it is asked."""

import msgspec


class BrokerState(msgspec.Struct, frozen=True):
    """How many messages wait in our two queues, and whether the broker takes messages."""

    waiting: int

    given_up: int | None
    """Those that the broker itself has given up, in the queue `.XQ`; None if that is missing."""

    refusal: str = ""
    """Why the broker takes no messages of ours; empty if it does."""
