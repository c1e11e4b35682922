"""Which messages of the server are ours: the bindings of a client's queue (protocol.rst)."""

from typing import Final, NamedTuple

from .limits import subnet_of
from .messages import hex_key
from .policy import Policy

TO_CREDITORS: Final = "to_creditors"
TO_DEBTORS: Final = "to_debtors"
TO_COORDINATORS: Final = "to_coordinators"

_SUBNET_WORDS: Final = 3
"""A subnet is the first three of the eight bytes of a creditor id."""


class Binding(NamedTuple):
    """Lets messages of an exchange into a queue."""

    exchange: str
    routing_key: str
    arguments: tuple[tuple[str, str], ...] = ()


def bindings_of(policy: Policy) -> tuple[Binding, ...]:
    """What a queue must be bound to, so that all messages that are ours reach it.

    Answers to coordinators of types `direct` and `agent` come by `to_creditors`, those of type
    `issuing` by `to_debtors`.
    """
    found = []
    if policy.subnet is not None:
        found.append(Binding(TO_CREDITORS, _subnet_key(policy.subnet)))
    found += [Binding(TO_DEBTORS, hex_key(debtor_id)) for debtor_id in sorted(policy.debtor_ids)]
    found += [
        Binding(TO_COORDINATORS, "", (("x-match", "all"), ("coordinator-type", kind)))
        for kind in sorted(policy.other_types)
    ]
    return tuple(found)


def _subnet_key(creditor_id: int) -> str:
    subnet = subnet_of(creditor_id)
    words = hex_key(subnet - (1 << 64) if subnet >> 63 else subnet).split(".")
    return ".".join(words[:_SUBNET_WORDS]) + ".#"
