"""From a delivery to a message of this shard, or to the reason why not (rules.md#dead-letters)."""

from collections.abc import Callable

from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.wire.messages import Malformed, Message, PendingBalanceChange, decode
from swpt_accounts.wire.routing import Realm


def make_admission(realm: Realm, internal_user: str) -> Callable[[Delivery], Message | Malformed]:
    """A decoder of deliveries that never raises for what a peer has written (rules C0, P0, F0 and B0).

    `internal_user` is the broker user that alone may send PendingBalanceChange; empty text means
    that nobody may.
    """

    def admit(delivery: Delivery) -> Message | Malformed:
        message = decode(delivery.body, delivery.content_type, delivery.type, body_size=delivery.body_size)
        if isinstance(message, Malformed):
            return message
        if isinstance(message, PendingBalanceChange) and (why := _why_not_ours(delivery, internal_user)):
            return Malformed("not_internal", why)
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
