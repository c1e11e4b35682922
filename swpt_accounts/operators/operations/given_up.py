"""Messages that the broker itself has given up: out of its queue `.XQ`, into the table of dead letters."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from swpt_accounts.broker.amqp.draining import death_of, drain
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.topology import DEAD_SUFFIX
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.transactions.new_dead_letters import NewDeadLetter, store_dead_letters
from swpt_accounts.wire.messages import Malformed

from .conflicts import transact
from .orders import Order

_GIVEN_UP: Final = "internal_error"

Admit = Callable[[Delivery], object]
"""Decodes a delivery; says as Malformed why a message is none of this shard."""


def take_given_up(
    connection: Any, amqp_url: str, queue: str, admit: Admit, *, most: int, max_open: int, order: Order
) -> int:
    """Make dead letters of what the broker has given up for `queue`; returns how many.

    What a worker would have refused gets the reason for that; all else is `internal_error`.  A message
    leaves the broker after its dead letter is committed, so that a crash can double one, but lose none.
    Raises OperatorError if more than `max_open` dead letters would be open, since bodies would be lost then,
    and QueueMissing or another BrokerProblem.
    """
    dead_queue = queue + DEAD_SUFFIX

    def keep(deliveries: Sequence[Delivery]) -> None:
        letters = [_dead_letter(delivery, admit) for delivery in deliveries]

        def store(cursor: Any) -> None:
            now = order.write_down(
                cursor, "dead-letters take-xq", f"queue {dead_queue}", f"{len(letters)} messages"
            )
            if not store_dead_letters(cursor, letters, dead_queue, max_open, now):
                raise OperatorError(
                    f"{max_open} dead letters are open already, as many as DEAD_LETTER_MAX_OPEN allows with"
                    f" their bodies: settle some of them; what is left stays in {dead_queue}"
                )

        transact(connection, store)

    return drain(amqp_url, dead_queue, most, keep)


def _dead_letter(delivery: Delivery, admit: Admit) -> NewDeadLetter:
    death = death_of(delivery)
    why = "the broker has given it up"
    if death is not None:
        delivery = msgspec.structs.replace(
            delivery, exchange=death.exchange, routing_key=death.routing_key or delivery.routing_key
        )
        why += f": {death.reason}"
    found = admit(delivery)
    if isinstance(found, Malformed):
        return NewDeadLetter(delivery, found.reason, f"{found.detail}; {why}")
    return NewDeadLetter(delivery, _GIVEN_UP, _ascii(why))


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
