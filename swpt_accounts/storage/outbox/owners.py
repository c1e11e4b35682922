"""Whose events a row of the outbox holds: after a split it may have those of both children.

See rules.md#foreign-accounts: an event belongs to the account in it, a credit on its way to the account that
it comes from.  A message that an operator has put back belongs to nobody, and everybody may send it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from swpt_accounts.events import Envelope, PendingBalanceChange, decode
from swpt_accounts.wire.routing import Realm


class Divided(NamedTuple):
    """The events of a row that this shard publishes, those that its sibling does, and all others."""

    own: list[Envelope]
    siblings: list[Envelope]
    strange: list[Envelope]


def divide(envelopes: Sequence[Envelope], realm: Realm) -> Divided:
    """Sort events by who publishes them (rule O9)."""
    divided = Divided([], [], [])
    parent = realm.parent()
    for envelope in envelopes:
        account = _owner(envelope)
        if account is None or realm.owns(*account):
            divided.own.append(envelope)
        elif parent is not None and parent.owns(*account):
            divided.siblings.append(envelope)
        else:
            divided.strange.append(envelope)
    return divided


def _owner(envelope: Envelope) -> tuple[int, int] | None:
    if envelope.properties is not None:
        return None
    if envelope.type == PendingBalanceChange.__name__:
        event = decode(envelope.body)
        assert isinstance(event, PendingBalanceChange)
        return event.debtor_id, event.other_creditor_id
    return envelope.debtor_id, envelope.creditor_id
