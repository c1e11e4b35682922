"""The exchanges, queues and bindings of the protocol, as a table (rules.md#the-broker)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from swpt_accounts.events import ACCOUNTS_IN, TO_COORDINATORS, TO_CREDITORS, TO_DEBTORS
from swpt_accounts.wire.codes import CT_AGENT, CT_DIRECT, CT_ISSUING

DEAD_SUFFIX: Final = ".XQ"

# Names that belong to agents and relays.
_FOREIGN_NAMES: Final = frozenset({"creditors_in", "creditors_out", "debtors_in", "debtors_out", "to_trade"})
_FOREIGN_PREFIXES: Final = ("ca.", "aa.", "da.")


class Exchange(msgspec.Struct, frozen=True):
    """A durable exchange: not auto-delete, not internal, no arguments."""

    name: str
    type: str


class Queue(msgspec.Struct, frozen=True):
    """A durable queue: not exclusive, not auto-delete."""

    name: str
    arguments: Mapping[str, str]


class ExchangeBinding(msgspec.Struct, frozen=True):
    """A way from one exchange to another, with the empty routing key."""

    source: str
    destination: str
    arguments: Mapping[str, str]


EXCHANGES: Final = (
    Exchange(ACCOUNTS_IN, "topic"),
    Exchange(TO_CREDITORS, "topic"),
    Exchange(TO_DEBTORS, "topic"),
    Exchange(TO_COORDINATORS, "headers"),
)

EXCHANGE_BINDINGS: Final = tuple(
    ExchangeBinding(TO_COORDINATORS, destination, {"x-match": "all", "coordinator-type": coordinator_type})
    for destination, coordinator_type in (
        (TO_CREDITORS, CT_DIRECT),
        (TO_CREDITORS, CT_AGENT),
        (TO_DEBTORS, CT_ISSUING),
    )
)


def queues(queue: str) -> tuple[Queue, Queue]:
    """The server's queue, and the one for what the broker itself gives up.

    Raises ValueError for a name that belongs to agents or relays, or to the broker.
    """
    if queue in _FOREIGN_NAMES or queue.startswith((*_FOREIGN_PREFIXES, "amq.")) or not queue:
        raise ValueError(f"the queue name {queue!r} belongs to others; choose another one")
    # `overflow` without `x-` has no effect; older deployments declared it so.
    return (
        Queue(queue + DEAD_SUFFIX, {"x-queue-type": "quorum"}),
        Queue(
            queue,
            {
                "x-queue-type": "quorum",
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": queue + DEAD_SUFFIX,
                "overflow": "reject-publish",
            },
        ),
    )
