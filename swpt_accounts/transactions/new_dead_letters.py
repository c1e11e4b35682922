"""Where dead letters are made: deliveries that no batch will apply, kept with the reason.

See rules.md#dead-letters.  Malformed messages, refused credits, and what fails again and again.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import psycopg2

from swpt_accounts.broker.batch import Delivered
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.rules.facts import RefusedCredit
from swpt_accounts.wire.messages import Malformed
from swpt_accounts.wire.moments import Moment

_INSERT_DEAD_LETTER: Final = """
INSERT INTO dead_letter (received_at, reason, detail, queue, exchange, routing_key, properties, body,
    body_size, body_sha256)
VALUES (%(now)s, %(reason)s, %(detail)s, %(queue)s, %(exchange)s, %(routing_key)s, %(properties)s, %(body)s,
    %(body_size)s, %(body_sha256)s)
"""

_COUNT_OPEN_DEAD_LETTERS: Final = """
SELECT count(*) FROM (SELECT 1 FROM dead_letter WHERE state = 'open' LIMIT %(limit)s) AS open
"""

ALARMING_REASONS: Final = frozenset(
    {"credit_conflict", "credit_too_old", "wrong_shard", "not_internal", "not_allowed", "internal_error"}
)


class NewDeadLetter(NamedTuple):
    """A delivery that is put aside; `detail` is ASCII and holds nothing of notes and config_data."""

    delivery: Delivery
    reason: str
    detail: str


def of_malformed(items: Sequence[Delivered]) -> Iterator[NewDeadLetter]:
    """Messages that were refused for their form, for who sent them, or for where they belong."""
    for delivery, message in items:
        if isinstance(message, Malformed):
            yield NewDeadLetter(delivery, message.reason, message.detail)


def of_refused_credits(
    items: Sequence[Delivered], refused_credits: Sequence[RefusedCredit]
) -> Iterator[NewDeadLetter]:
    """Credits that contradict the registry, or are older than what it still knows."""
    reasons = {id(refused.message): refused.reason for refused in refused_credits}
    for delivery, message in items if reasons else ():
        if id(message) in reasons:
            yield NewDeadLetter(delivery, reasons[id(message)], "see the registry of applied credits")


def of_failing(delivery: Delivery, detail: str) -> NewDeadLetter:
    """A delivery that fails again and again (rules.md#failures)."""
    return NewDeadLetter(delivery, "internal_error", detail)


def store_dead_letters(
    cursor: Any, dead_letters: Sequence[NewDeadLetter], queue: str, max_open: int, now: Moment
) -> bool:
    """Write dead letters in the transaction of their batch.

    While more than `max_open` of them are open, further ones are kept without their bodies;
    then the answer is False, which deserves an alarm.
    """
    if not dead_letters:
        return True
    cursor.execute(_COUNT_OPEN_DEAD_LETTERS, {"limit": max_open + 1})
    # The first letter beyond the limit still comes whole: there are more than `max_open` only after it.
    room: int = max_open + 1 - cursor.fetchone()[0]
    for number, (delivery, reason, detail) in enumerate(dead_letters):
        assert detail.isascii(), "a detail is for logs and terminals"
        cursor.execute(
            _INSERT_DEAD_LETTER,
            {
                "now": now,
                "reason": reason,
                "detail": detail[:200],
                "queue": queue,
                "exchange": delivery.exchange,
                "routing_key": delivery.routing_key,
                "properties": psycopg2.Binary(delivery.properties),
                "body": psycopg2.Binary(delivery.body) if number < room else None,
                "body_size": delivery.body_size,
                "body_sha256": psycopg2.Binary(delivery.digest),
            },
        )
    return len(dead_letters) <= room
