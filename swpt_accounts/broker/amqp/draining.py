"""Taking what waits in a queue, some at a time, by somebody who keeps it elsewhere."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

import msgspec

from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.waker import Waker

from .administration import count_messages
from .content_header import describe
from .subscription import Subscription

_AT_ONCE: Final = 100
_PATIENCE_SECONDS: Final = 5.0


class Death(msgspec.Struct, frozen=True):
    """Why the broker has given up a message, and where it came from, as far as the broker says."""

    reason: str
    queue: str
    exchange: str
    routing_key: str


def drain(amqp_url: str, queue: str, most: int, keep: Callable[[Sequence[Delivery]], None]) -> int:
    """Hand at most `most` messages to `keep`, and acknowledge them when it has returned; how many they were.

    If `keep` raises, or the process dies, what it had in hand stays in the queue: it may come twice, and is
    never lost.  Ends early if nothing comes for some seconds.  Raises QueueMissing or another BrokerProblem.
    """
    left = wanted = min(most, count_messages(amqp_url, queue))
    if not wanted:
        return 0
    waker = Waker()
    source = Subscription(amqp_url, queue, min(wanted, _AT_ONCE), waker)
    try:
        until = monotonic() + _PATIENCE_SECONDS
        while left and monotonic() < until:
            deliveries = source.receive(until - monotonic())[:left]
            if deliveries:
                keep(deliveries)
                source.ack(deliveries[-1].tag)
                left -= len(deliveries)
                until = monotonic() + _PATIENCE_SECONDS
    finally:
        source.close()
        waker.close()
    return wanted - left


def death_of(delivery: Delivery) -> Death | None:
    """The latest entry of the header `x-death`; None if there is none that can be read."""
    headers = describe(delivery.properties).get("headers")
    deaths = headers.get("x-death") if isinstance(headers, dict) else None
    latest = deaths[0] if isinstance(deaths, list) and deaths else None
    if not isinstance(latest, dict):
        return None
    keys = latest.get("routing-keys")
    return Death(
        reason=_text(latest.get("reason")),
        queue=_text(latest.get("queue")),
        exchange=_text(latest.get("exchange")),
        routing_key=_text(keys[0]) if isinstance(keys, list) and keys else "",
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
