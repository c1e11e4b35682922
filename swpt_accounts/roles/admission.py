"""From a delivery to a message of this shard, or to the reason why not (rules.md#dead-letters)."""

from collections.abc import Callable
from typing import TypeAlias

from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.wire.messages import Malformed, Message, PendingBalanceChange, decode
from swpt_accounts.wire.peers import Peers
from swpt_accounts.wire.routing import Realm

Admission: TypeAlias = Callable[[Delivery], Message | Malformed]


def admission_of(settings: Settings) -> Admission:
    """The decoder of a server with these settings."""
    return make_admission(settings.realm(), settings.internal_user, settings.peers())


def make_admission(realm: Realm, internal_user: str, peers: Peers | None = None) -> Admission:
    """A decoder of deliveries that never raises for what a peer has written (rules C0, P0, F0 and B0).

    `internal_user` is the broker user that alone may send PendingBalanceChange; empty text means
    that nobody may.  Without `peers` everybody may send all other messages.
    """

    def admit(delivery: Delivery) -> Message | Malformed:
        message = decode(delivery.body, delivery.content_type, delivery.type, body_size=delivery.body_size)
        if isinstance(message, Malformed):
            return message
        if isinstance(message, PendingBalanceChange):
            if why := _why_not_ours(delivery, internal_user):
                return Malformed("not_internal", why)
        elif peers is not None and (why := peers.why_not(delivery.user_id, message)):
            return Malformed("not_allowed", why)
        if not realm.owns(message.debtor_id, message.creditor_id):
            return Malformed("wrong_shard", "the account belongs to another shard")
        return message

    return admit


def _why_not_ours(delivery: Delivery, internal_user: str) -> str | None:
    """Why a message that moves money without further questions does not come from the server itself."""
    if not internal_user:
        # Without a name that the broker vouches for, everybody could be the server.
        return "INTERNAL_USER is not set, so nobody may send this"
    if delivery.user_id != internal_user:
        return "user_id is not that of the server"
    return None
