"""From a delivery to a message of this shard, or to the reason why not (spec: wire.md section 7)."""

from collections.abc import Callable

from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.wire.messages import Malformed, Message, PendingBalanceChange, decode
from swpt_accounts.wire.routing import Realm


def make_admission(realm: Realm, internal_user: str) -> Callable[[Delivery], Message | Malformed]:
    """A decoder of deliveries that never raises for what a peer has written.

    `internal_user` is the broker user that alone may send PendingBalanceChange; empty text means
    that this is not checked.
    """

    def admit(delivery: Delivery) -> Message | Malformed:
        try:
            message = decode(
                delivery.body, delivery.content_type, delivery.type, body_size=delivery.body_size
            )
        except Malformed as malformed:
            return malformed
        is_internal = isinstance(message, PendingBalanceChange)
        if is_internal and internal_user and delivery.user_id != internal_user:
            return Malformed("not_internal", "user_id is not that of the server")
        if not realm.owns(message.debtor_id, message.creditor_id):
            return Malformed("wrong_shard", "the account belongs to another shard")
        return message

    return admit
